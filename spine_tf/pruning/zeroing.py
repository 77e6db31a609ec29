"""Zeroes filters once: scores, chooses, sets to zero."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import keras
import numpy as np

from spine_tf.pruning.groups import Count, Group, Structure, find_groups
from spine_tf.pruning.selection import choose_groups, group_scores
from spine_tf.pruning.sensitivity import get_criterion
from spine_tf.pruning.weight_masks import zero_groups, zeroed_groups


class Pruned(NamedTuple):
    """Holds what was zeroed in a model, and the scores."""

    structure: Structure
    scores: np.ndarray
    """Score of every group, (groups,) float64."""
    removed: list[int]
    """Numbers of the groups that are zero now."""

    @property
    def groups(self) -> list[Group]:
        """Groups that are zero now, for `remove_filters`."""
        return [self.structure.groups[number] for number in self.removed]

    @property
    def amount(self) -> float:
        """Share of the prunable filters that are zero now."""
        return self.structure.share(self.removed)

    @property
    def counts(self) -> list[Count]:
        """Numbers of filters, prunable and removed ones of every layer."""
        return self.structure.counts(self.removed)


def zero_filters(
    model: keras.Model,
    amount: float = 0.5,
    calibration: Iterable | None = None,
    criterion: str | Callable = "gradient",
    scope: str = "global",
    floor: float = 0.05,
    multiple_of: int = 1,
    seed: int = 0,
) -> Pruned:
    """Score the filters of a model and set the lowest groups to zero, in place. `remove_filters` then removes them.

    Groups that are zero already stay so and count. Source: paper, "A gradient sensitivity based network pruning",
    Steps 2 and 3.

    Args:
        model: functional; compiled for the criteria that need a gradient.
        amount: share of the prunable filters that is zero afterwards, in [0, 1).
        calibration: batches as `fit` takes them, for the criteria that need a gradient.
        criterion: a row of `sensitivity.CRITERIA` or a function of that signature.
        scope, floor, multiple_of: as `selection.choose_groups`.
        seed: for the criterion "random".

    Raises:
        ValueError: an argument out of range, a model without graph, calibration data that cannot be used.

    Example:
        >>> images = keras.Input((4, 4, 3))
        >>> x = keras.layers.Conv2D(8, 3, name="conv")(images)
        >>> model = keras.Model(images, keras.layers.Conv2D(1, 1)(x))
        >>> pruned = zero_filters(model, amount=0.75, criterion="magnitude")
        >>> pruned.amount, len(pruned.groups)
        (0.75, 6)
    """
    structure = find_groups(model)
    scores = group_scores(structure, get_criterion(criterion)(model, calibration, seed))
    removed = choose_groups(structure, scores, amount, scope, floor, multiple_of, removed=zeroed_groups(structure))
    zero_groups(structure, removed)
    return Pruned(structure, scores, removed)
