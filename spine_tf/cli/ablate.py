"""Measure what each part of the shipped model's recipe is worth: one change at a time on one fold. Resumable."""

from dataclasses import dataclass
from pathlib import Path

from spine_tf.cli.common import DONE, CommonFlags


@dataclass(frozen=True)
class Flags(CommonFlags):
    run: Path = Path("runs/ablation")
    """Gets a run's folder for each variant, and the table."""
    variants: tuple[str, ...] = ()
    """Names of `ablation.VARIANTS`; none: all of them."""
    epochs: int | None = None
    """Of the recipe, some 1000 triplets each; None: its own number. A variant of slower steps gets fewer, so that all
    take as long."""
    more: Path | None = None
    """Further real CTs in VerSe's layout (import_case.py)."""
    data_root: Path = Path("data")
    """Where sample CTs are kept."""


def run(flags: Flags) -> int:
    from spine_tf.experiments.ablation import VARIANTS, ablate, variants_table
    from spine_tf.training.recipe import ABLATION_EPOCHS

    epochs = ABLATION_EPOCHS if flags.epochs is None else flags.epochs
    rows = ablate(flags.run, flags.data_root, flags.more, flags.variants or tuple(VARIANTS), epochs)
    print(f"\n{variants_table(rows)}\nscores {flags.run / 'scores.json'}")
    return DONE
