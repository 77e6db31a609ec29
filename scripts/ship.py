"""Train the model that ships with spine_tf, score it on the scans it never saw, publish it with its card. Resumable."""

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from spine_tf.inference.engines import SHIPPED
from spine_tf.training.recipe import SHIPPED_EPOCHS, SHIPPED_HOLDS_OUT, shipped_config


@dataclass(frozen=True)
class Flags:
    run: Path = Path("runs/ship")
    """The run's folder; where it holds a run, that one goes on."""
    target: Path = SHIPPED
    """The published model's folder."""
    epochs: int = SHIPPED_EPOCHS
    """Of some 1000 triplets each."""
    more: Path | None = None
    """Further real CTs in VerSe's layout (import_case.py)."""
    data_root: Path = Path("data")
    """Where sample CTs are kept."""
    restore: bool = False
    """Train nothing: make the run's folder from the published model, to prune or evaluate it."""


def main() -> int:
    flags = tyro.cli(Flags, description=__doc__)
    from spine_tf.export.publish import publish_run
    from spine_tf.export.restore import restore_run
    from spine_tf.scoring import format_table
    from spine_tf.training.evaluate import evaluate_run
    from spine_tf.training.run import train_run

    config = shipped_config(SHIPPED_HOLDS_OUT, flags.epochs, flags.more)
    try:
        if flags.restore:
            restore_run(flags.target, config, flags.run, flags.data_root)
            print(f"run {flags.run}")
            return 0
        if not (flags.run / "report.json").exists():
            train_run(config, flags.run, flags.data_root, resume=(flags.run / "config.json").exists())
        rows = evaluate_run(flags.run, flags.run / "evaluation")
        publish_run(flags.run, flags.target)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"\n{format_table(rows)}\n\npublished {flags.target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
