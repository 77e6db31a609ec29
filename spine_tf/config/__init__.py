"""Describes a run: every choice as a frozen, validated dataclass, and the presets `paper`, `small` and `tiny`."""

from spine_tf.config.checks import require
from spine_tf.config.model import ARCHITECTURES, ENCODER_FIELDS, ModelConfig, idle_fields
from spine_tf.config.preprocess import MEMORY_BUDGET_GIB, PREDICTION_BATCH, VIEWS, PreprocessSpec
from spine_tf.config.presets import PRESETS, SECTIONS, Config, with_changes
from spine_tf.config.pruning import PruneSettings
from spine_tf.config.stored import config_from_dict, differing_fields, spec_from_dict, to_dict
from spine_tf.config.training import AugmentConfig, DataConfig, TrainConfig

__all__ = [
    "ARCHITECTURES",
    "ENCODER_FIELDS",
    "MEMORY_BUDGET_GIB",
    "PREDICTION_BATCH",
    "PRESETS",
    "SECTIONS",
    "VIEWS",
    "AugmentConfig",
    "Config",
    "DataConfig",
    "ModelConfig",
    "PreprocessSpec",
    "PruneSettings",
    "TrainConfig",
    "config_from_dict",
    "differing_fields",
    "idle_fields",
    "require",
    "spec_from_dict",
    "to_dict",
    "with_changes",
]
