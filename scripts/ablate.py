"""Measure what each part of the shipped model's recipe is worth: one change at a time on one fold. Resumable."""

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from spine_tf.training.recipe import ABLATION_EPOCHS


@dataclass(frozen=True)
class Flags:
    run: Path = Path("runs/ablation")
    """Gets a run's folder for each variant, and the table."""
    variants: tuple[str, ...] = ()
    """Names of `ablation.VARIANTS`; none: all of them."""
    epochs: int = ABLATION_EPOCHS
    """Of the recipe, some 1000 triplets each; a variant of slower steps gets fewer, so that all take as long."""
    more: Path | None = None
    """Further real CTs in VerSe's layout (import_case.py)."""
    data_root: Path = Path("data")
    """Where sample CTs are kept."""


def main() -> int:
    flags = tyro.cli(Flags, description=__doc__)
    from spine_tf.experiments.ablation import VARIANTS, ablate, variants_table

    try:
        rows = ablate(flags.run, flags.data_root, flags.more, flags.variants or tuple(VARIANTS), flags.epochs)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"\n{variants_table(rows)}\nscores {flags.run / 'scores.json'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
