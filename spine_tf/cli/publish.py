"""Train the model that ships with spine_tf, score it on the scans it never saw, publish it with its card. Resumable."""

from dataclasses import dataclass
from pathlib import Path

from spine_tf.cli.common import DONE, CommonFlags


@dataclass(frozen=True)
class Flags(CommonFlags):
    run: Path = Path("runs/ship")
    """The run's folder; where it holds a run, that one goes on."""
    target: Path | None = None
    """The published model's folder; None: that of the model that comes with spine_tf."""
    epochs: int | None = None
    """Of some 1000 triplets each; None: as in the recipe."""
    more: Path | None = None
    """Further real CTs in VerSe's layout (import_case.py)."""
    data_root: Path = Path("data")
    """Where sample CTs are kept."""
    restore: bool = False
    """Train nothing: make the run's folder from the published model, to prune or evaluate it."""


def run(flags: Flags) -> int:
    from spine_tf.export.publish import publish_run
    from spine_tf.export.restore import restore_run
    from spine_tf.inference.engines import SHIPPED
    from spine_tf.scoring import format_table
    from spine_tf.training.evaluate import evaluate_run
    from spine_tf.training.recipe import SHIPPED_EPOCHS, SHIPPED_HOLDS_OUT, shipped_config
    from spine_tf.training.run import ensure_trained

    target = SHIPPED if flags.target is None else flags.target
    epochs = SHIPPED_EPOCHS if flags.epochs is None else flags.epochs
    config = shipped_config(SHIPPED_HOLDS_OUT, epochs, flags.more)
    if flags.restore:
        restore_run(target, config, flags.run, flags.data_root)
        print(f"run {flags.run}")
        return DONE
    ensure_trained(config, flags.run, flags.data_root)
    rows = evaluate_run(flags.run)
    publish_run(flags.run, target)
    print(f"\n{format_table(rows)}\n\npublished {target}")
    return DONE
