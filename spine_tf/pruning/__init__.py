"""Pruning: filters that matter little are zeroed, then removed.

Source: paper, "A gradient sensitivity based network pruning".
"""

from spine_tf.pruning.callback import GradientSensitivityPruning
from spine_tf.pruning.surgery import remove_filters

__all__ = ["GradientSensitivityPruning", "remove_filters"]
