"""Reproduce the paper's tables and figures: run what is missing, put together what is on disk. Resumable."""

import sys
from dataclasses import dataclass

from spine_tf.cli.common import DONE, FAILED, CommonFlags
from spine_tf.experiments.request import Request


@dataclass(frozen=True)
class Flags(Request, CommonFlags):
    """What is asked for, and the flags of every sub-command."""


def run(flags: Flags) -> int:
    from spine_tf.experiments.reproduce import reproduce_results

    failed = reproduce_results(flags)
    for sentence in failed:
        print(f"failed: {sentence}", file=sys.stderr)
    return FAILED if failed else DONE
