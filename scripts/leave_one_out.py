"""Train the shipped model's recipe with each real patient left out, and score the one left out. Resumable."""

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from spine_tf.training.recipe import FOLD_EPOCHS, FOLDS


@dataclass(frozen=True)
class Flags:
    run: Path = Path("runs/leave-one-out")
    """Gets a run's folder for each patient, and the table."""
    folds: tuple[str, ...] = FOLDS
    """Case ids to leave out, one at a time."""
    epochs: int = FOLD_EPOCHS
    """Of each fold, some 1000 triplets each."""
    more: Path | None = None
    """Further real CTs in VerSe's layout (import_case.py)."""
    data_root: Path = Path("data")
    """Where sample CTs are kept."""


def main() -> int:
    flags = tyro.cli(Flags, description=__doc__)
    from spine_tf.experiments.leave_one_out import score_left_out
    from spine_tf.scoring import format_table

    try:
        rows = score_left_out(flags.run, flags.data_root, flags.more, flags.folds, flags.epochs)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"\n{format_table(rows)}\n\nscores {flags.run / 'scores.json'}, pictures {flags.run}/*/evaluation/*_snp.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
