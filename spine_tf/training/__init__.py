"""Trains networks, prunes trained ones, and scores both.

Importing it registers the losses, metrics and optimizers that a stored `.keras` file may name. What trains a whole run
is imported when it is first used.
"""

import importlib

from spine_tf.training.losses import BCEDiceLoss, KnownBCELoss, get_loss
from spine_tf.training.metrics import DiceCoefficient, JaccardIndex, training_metrics
from spine_tf.training.optimizers import OPTIMIZERS

_LAZY = {"RunFolder": "run_folder", "latest_checkpoint": "checkpoint_files", "train_run": "run"}
"""Public name -> the module of this package that defines it."""

__all__ = [
    "OPTIMIZERS",
    "BCEDiceLoss",
    "DiceCoefficient",
    "JaccardIndex",
    "KnownBCELoss",
    "RunFolder",
    "get_loss",
    "latest_checkpoint",
    "train_run",
    "training_metrics",
]


def __getattr__(name: str):
    if name not in _LAZY:
        raise AttributeError(f"module 'spine_tf.training' has no attribute {name!r}")
    return getattr(importlib.import_module(f"spine_tf.training.{_LAZY[name]}"), name)
