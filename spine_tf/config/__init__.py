"""Describes a run: every choice as a frozen, validated dataclass, and the presets `paper`, `small` and `tiny`."""

from spine_tf.config.checks import require as require
from spine_tf.config.model import ARCHITECTURES as ARCHITECTURES
from spine_tf.config.model import ENCODER_FIELDS as ENCODER_FIELDS
from spine_tf.config.model import ModelConfig
from spine_tf.config.model import idle_fields as idle_fields
from spine_tf.config.preprocess import MEMORY_BUDGET_GIB as MEMORY_BUDGET_GIB
from spine_tf.config.preprocess import PREDICTION_BATCH as PREDICTION_BATCH
from spine_tf.config.preprocess import VIEWS as VIEWS
from spine_tf.config.preprocess import PreprocessSpec
from spine_tf.config.presets import PRESETS, Config, with_changes
from spine_tf.config.presets import SECTIONS as SECTIONS
from spine_tf.config.pruning import PruneSettings
from spine_tf.config.stored import config_from_dict, spec_from_dict, to_dict
from spine_tf.config.stored import dataclass_from_dict as dataclass_from_dict
from spine_tf.config.stored import differing_fields as differing_fields
from spine_tf.config.training import AugmentConfig, DataConfig, TrainConfig

# What a user needs. The other packages import more from here.
__all__ = [
    "PRESETS",
    "AugmentConfig",
    "Config",
    "DataConfig",
    "ModelConfig",
    "PreprocessSpec",
    "PruneSettings",
    "TrainConfig",
    "config_from_dict",
    "spec_from_dict",
    "to_dict",
    "with_changes",
]
