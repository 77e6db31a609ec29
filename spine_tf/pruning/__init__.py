"""Prunes networks: filters that matter little are zeroed, then removed.

`GradientSensitivityPruning` does it while a model trains, `zero_filters` at once; `remove_filters` then builds the
smaller model. They consist of `find_groups`, a criterion such as `gradient_sensitivity`, `group_scores` and
`choose_groups`. Source: paper, "A gradient sensitivity based network pruning".
"""

from spine_tf.pruning.callback import GradientSensitivityPruning
from spine_tf.pruning.groups import find_groups
from spine_tf.pruning.schedules import constant_sparsity, polynomial_decay
from spine_tf.pruning.selection import choose_groups, group_scores
from spine_tf.pruning.sensitivity import gradient_sensitivity
from spine_tf.pruning.surgery import remove_filters
from spine_tf.pruning.zeroing import zero_filters

__all__ = [
    "GradientSensitivityPruning",
    "choose_groups",
    "constant_sparsity",
    "find_groups",
    "gradient_sensitivity",
    "group_scores",
    "polynomial_decay",
    "remove_filters",
    "zero_filters",
]
