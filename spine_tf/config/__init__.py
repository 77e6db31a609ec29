"""Describes a run: every choice as a frozen, validated dataclass, and the presets `paper`, `small` and `tiny`."""

from spine_tf.config.presets import (
    PRESETS,
    SECTIONS,
    Config,
    config_from_dict,
    spec_from_dict,
    to_dict,
)
from spine_tf.config.sections import PREDICTION_BATCH, VIEWS, ModelConfig, PreprocessSpec
from spine_tf.config.training import AugmentConfig, DataConfig, TrainConfig

__all__ = [
    "PREDICTION_BATCH",
    "PRESETS",
    "SECTIONS",
    "VIEWS",
    "AugmentConfig",
    "Config",
    "DataConfig",
    "ModelConfig",
    "PreprocessSpec",
    "TrainConfig",
    "config_from_dict",
    "spec_from_dict",
    "to_dict",
]
