"""Sets how large the experiments are: a function for each preset.

`paper` is the paper's size and wants VerSe and a GPU; `small` is what two CPU cores do in an afternoon; `tiny` is for
tests. The paper's optimisation (Adamax, 0.001, binary cross-entropy) stays as it is in all of them.
"""

from collections.abc import Callable
from pathlib import Path

from spine_tf.config import PRESETS, Config, with_changes

SEEDS = {"paper": (0,), "small": (0, 1, 2), "tiny": (0,)}
"""Of weights and triplets, and with `--data` of the split too."""

PRUNING_AMOUNTS = (0.25, 0.5, 0.75)
"""Of the table of pruning amounts; the paper gives no value."""


def paper() -> Config:
    """Give the paper's settings as they stand in the preset."""
    return PRESETS["paper"]


def small() -> Config:
    """Give 64 pixels, 10 epochs of 64 triplets: Tables 3 to 6 with three seeds in about four hours of CPU (`cost`).

    An epoch is 12 phantoms and one real CT that is drawn as often as 4 of them, 4 triplets each. Batch normalisation
    forgets faster than by default, for there are only 160 steps.
    """
    return with_changes(
        PRESETS["small"],
        preprocess={"image_size": 64},
        model={"norm_momentum": 0.9},
        data={"phantoms": 12, "real_weight": 4, "triplets_per_case": 4, "batch_size": 4},
        train={"epochs": 10},
    )


def tiny() -> Config:
    """Give one step of 32 pixels a network: that everything runs, no result."""
    return with_changes(
        PRESETS["tiny"],
        model={"norm_momentum": 0.9},
        data={"phantoms": 2, "real_weight": 2, "triplets_per_case": 1, "batch_size": 2},
        train={"epochs": 1},
    )


BASES: dict[str, Callable[[], Config]] = {"paper": paper, "small": small, "tiny": tiny}


def base_config(preset: str, runs: Path, data: Path | None) -> Config:
    """Make the config that every cell of a preset changes.

    Args:
        preset: a key of `BASES`.
        runs: folder of all runs; cases are decoded once, below it.
        data: a VerSe root, or None for the embedded default, phantoms and sample CTs.

    Raises:
        ValueError: an unknown preset.

    Example:
        >>> base_config("small", Path("runs"), None).preprocess.image_size
        64
    """
    if preset not in BASES:
        raise ValueError(f"preset must be one of {list(BASES)}. Received: preset={preset!r}")
    return with_changes(BASES[preset](), data={"data": data, "cache": Path(runs) / preset / "cache"})
