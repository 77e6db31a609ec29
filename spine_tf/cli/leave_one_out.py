"""Train the shipped model's recipe with each real patient left out, and score the one left out. Resumable."""

from dataclasses import dataclass
from pathlib import Path

from spine_tf.cli.common import DONE, CommonFlags


@dataclass(frozen=True)
class Flags(CommonFlags):
    run: Path = Path("runs/leave-one-out")
    """Gets a run's folder for each patient, and the table."""
    folds: tuple[str, ...] | None = None
    """Case ids to leave out, one at a time; None: the real CTs of the recipe."""
    epochs: int | None = None
    """Of each fold, some 1000 triplets each; None: as in the recipe."""
    more: Path | None = None
    """Further real CTs in VerSe's layout (import_case.py)."""
    data_root: Path = Path("data")
    """Where sample CTs are kept."""


def run(flags: Flags) -> int:
    from spine_tf.experiments.leave_one_out import score_left_out
    from spine_tf.scoring import format_table
    from spine_tf.training.recipe import FOLD_EPOCHS, FOLDS

    folds = FOLDS if flags.folds is None else flags.folds
    epochs = FOLD_EPOCHS if flags.epochs is None else flags.epochs
    rows = score_left_out(flags.run, flags.data_root, flags.more, folds, epochs)
    print(f"\n{format_table(rows)}\n\nscores {flags.run / 'scores.json'}, pictures {flags.run}/*/evaluation/*_snp.png")
    return DONE
