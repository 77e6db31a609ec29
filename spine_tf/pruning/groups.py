"""Finds the groups of filters that can only be removed together, in the graph of any functional Keras model.

The paper (Step 3) sets single filters to zero. A filter that meets another in an addition cannot be removed alone, and
one whose batch normalisation stays still has an output, beta. Source: Li et al., "Pruning filters for efficient
ConvNets", ICLR 2017, section 3.3; Fang et al., "DepGraph: towards any structural pruning", CVPR 2023.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import keras
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from spine_tf.models.graph import read_graph
from spine_tf.pruning.channels import Features, Filters, Slice, Trace, Width
from spine_tf.pruning.rules import follow


class Group(NamedTuple):
    """Holds filters that can only be removed together."""

    filters: tuple[tuple[str, int], ...]
    """Pairs of a layer's path, such as "block1_conv" or "nested_model/conv", and the number of a filter in it."""


class Count(NamedTuple):
    """Counts the filters of one layer."""

    layer: str
    filters: int
    prunable: int
    """Number of filters that belong to a group; the others cannot be removed."""
    removed: int

    @property
    def kept(self) -> int:
        """Number of filters that are not removed."""
        return self.filters - self.removed


@dataclass(frozen=True)
class Structure:
    """Holds the groups of one model, and the weights and configs that removing them changes.

    Groups are given by their numbers, their places in `groups`. Channels are numbers of groups here, -1 for none.
    """

    groups: tuple[Group, ...]
    filters: dict[str, Filters]
    """Every layer with filters, by path, in the order of the graph."""
    whole: dict[str, str]
    """Layer -> why filters of it are in no group; also every layer that no rule describes."""
    slices: tuple[Slice, ...]
    widths: tuple[Width, ...]

    @property
    def prunable(self) -> int:
        """Number of filters that belong to a group."""
        return sum(len(group.filters) for group in self.groups)

    @cached_property
    def blocks(self) -> list[list[int]]:
        """Groups with the same layers, as lists of their numbers: every layer consists of whole blocks."""
        found = defaultdict(list)
        for number, group in enumerate(self.groups):
            found[tuple(sorted(Counter(layer for layer, _ in group.filters).items()))].append(number)
        return list(found.values())

    def chosen(self, numbers: Iterable[int]) -> np.ndarray:
        """Mark these groups: (groups + 1,) bool, the last one False: it is what channels of no group, -1, index."""
        marks = np.zeros(len(self.groups) + 1, bool)
        marks[list(numbers)] = True
        return marks

    def counts(self, removed: Iterable[int] = ()) -> list[Count]:
        """Count the filters of every layer, with those of the `removed` groups (numbers) as removed."""
        gone = self.chosen(removed)
        return [
            Count(path, len(f.channels), int((f.channels >= 0).sum()), int(gone[f.channels].sum()))
            for path, f in self.filters.items()
        ]

    def share(self, removed: Iterable[int]) -> float:
        """Give the share of the prunable filters that the `removed` groups (numbers) hold, which `amount` asks for."""
        return sum(len(self.groups[number].filters) for number in removed) / max(1, self.prunable)


def find_groups(model: keras.Model) -> Structure:
    """Find in a model's graph which filters can only be removed together.

    Channels that meet in Add, Multiply and their like, or pass one depthwise convolution or batch normalisation, are
    one group. Four kinds of channels are in no group and stay: those of the model's inputs and outputs, those that
    reach or leave a layer without a rule, those that would become a constant other than zero, and the only channel of a
    layer.

    Source: Li et al., ICLR 2017, section 3.3; Fang et al., "DepGraph", CVPR 2023.

    Args:
        model: functional or sequential, built; nested models and layers that are called several times are followed.

    Raises:
        ValueError: a model without a graph.

    Example:
        >>> images = keras.Input((4, 4, 3))
        >>> a, b = (keras.layers.Conv2D(2, 1, name=name)(images) for name in "ab")
        >>> structure = find_groups(keras.Model(images, keras.layers.Dense(1, name="c")(keras.layers.add([a, b]))))
        >>> [group.filters for group in structure.groups]
        [(('a', 0), ('b', 0)), (('a', 1), ('b', 1))]
        >>> structure.whole["c"]
        'is an output of the model'
    """
    trace, paths = Trace(), {}
    graph = read_graph(model)
    features: dict[int, Features] = {}
    first: dict[int, tuple[list[Features], list[Features]]] = {}
    for call in graph.calls:
        paths.setdefault(id(call.layer), call.path)
        inputs = [features[id(tensor)] for tensor in call.inputs]
        outputs = follow(trace, call, inputs)
        if id(call.layer) in first:
            _link_calls(trace, call.path, first[id(call.layer)], (inputs, outputs))
        first.setdefault(id(call.layer), (inputs, outputs))
        features.update({id(tensor): x for tensor, x in zip(call.outputs, outputs, strict=True)})
    for tensor in graph.outputs:
        trace.pin(features[id(tensor)].channels, "is an output of the model")
    return _number_groups(trace, paths)


def _link_calls(trace: Trace, path: str, one, other) -> None:
    """Link the channels of two calls of one layer, which has one set of weights for both."""
    for before, now in zip((*one[0], *one[1]), (*other[0], *other[1]), strict=True):
        if len(before.channels) == len(now.channels):
            trace.link(before.channels, now.channels)
        else:
            for features in (before, now):
                trace.pin(features.channels, f"passes {path!r}, which is called with unequal widths")


def _number_groups(trace: Trace, paths: dict[int, str]) -> Structure:
    """Make a group of each set of linked channels that can be removed."""
    met = np.concatenate([np.zeros((2, 0), int), *trace.links], axis=1)  # (2, pairs)
    pairs = coo_array((np.ones(met.shape[1], bool), tuple(met)), shape=(trace.size, trace.size))
    count, component = connected_components(pairs, directed=False)

    reasons: dict[int, str] = {}
    for channels, reason in trace.pins:
        for number in np.unique(component[channels]).tolist():
            reasons.setdefault(number, reason)
    for key, filters in trace.filters.items():
        numbers = np.unique(component[filters.channels])
        if len(numbers) == 1:
            reasons.setdefault(int(numbers[0]), f"is all that {paths[key]!r} has")

    pinned = np.zeros(count, bool)
    pinned[list(reasons)] = True
    members = defaultdict(list)
    for key, filters in trace.filters.items():
        for index, number in enumerate(component[filters.channels].tolist()):
            if not pinned[number]:
                members[number].append((paths[key], index))
    number_of = np.full(count, -1)
    number_of[list(members)] = np.arange(len(members))
    group_of = number_of[component]

    whole = {paths[key]: reason for key, reason in trace.refused.items()}
    for key, filters in trace.filters.items():
        for number in component[filters.channels].tolist():
            if pinned[number]:
                whole.setdefault(paths[key], reasons[number])
    return Structure(
        groups=tuple(Group(tuple(filters)) for filters in members.values()),
        filters={paths[key]: f._replace(channels=group_of[f.channels]) for key, f in trace.filters.items()},
        whole=whole,
        slices=tuple(s._replace(channels=group_of[s.channels]) for s in trace.slices.values()),
        widths=tuple(w._replace(channels=group_of[w.channels]) for w in trace.widths.values()),
    )
