"""Reproduce the paper's tables and figures: run what is missing, put together what is on disk. Resumable."""

import sys

import tyro

from spine_tf.experiments.request import Request


def main() -> int:
    try:
        request = tyro.cli(Request, description=__doc__)
        # Imported after the flags are read: --help answers at once.
        from spine_tf.experiments.reproduce import reproduce_results

        failed = reproduce_results(request)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for sentence in failed:
        print(f"failed: {sentence}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
