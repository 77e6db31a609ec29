"""Groups of filters that live or die together, read from the graph of any functional Keras model.

The paper (Step 3) sets single filters to zero. A filter that meets another in an addition cannot be removed alone, and
one whose batch normalisation stays still speaks through beta. Source: Li et al., "Pruning filters for efficient
ConvNets", ICLR 2017, section 3.3; Fang et al., "DepGraph: towards any structural pruning", CVPR 2023.
"""

from collections import Counter, defaultdict
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
    """Filters that can only be removed together."""

    filters: tuple[tuple[str, int], ...]
    """(layer, number of the filter in it), by the layer's path: "block1_conv", "nested_model/conv"."""


class Count(NamedTuple):
    """The filters of one layer."""

    layer: str
    filters: int
    prunable: int
    """Filters that belong to a group; the others cannot be removed."""
    removed: int

    @property
    def kept(self) -> int:
        return self.filters - self.removed


@dataclass(frozen=True)
class Structure:
    """The groups of one model, and what removing them touches. Channels are numbers of groups here, -1 for none."""

    groups: tuple[Group, ...]
    filters: dict[str, Filters]
    """Every layer with filters, by path, in the order of the graph."""
    whole: dict[str, str]
    """Layer -> why (some of) its filters are in no group. Every layer that no rule understands is here."""
    slices: tuple[Slice, ...]
    widths: tuple[Width, ...]

    @property
    def prunable(self) -> int:
        """Number of filters that belong to a group."""
        return sum(len(group.filters) for group in self.groups)

    @cached_property
    def blocks(self) -> list[list[int]]:
        """Groups that run through the very same layers: a layer's width is a sum of blocks."""
        found = defaultdict(list)
        for number, group in enumerate(self.groups):
            found[tuple(sorted(Counter(layer for layer, _ in group.filters).items()))].append(number)
        return list(found.values())

    def counts(self, removed=()) -> list[Count]:
        """Filters of every layer, with those of the `removed` groups (numbers) counted as removed."""
        gone = np.zeros(len(self.groups) + 1, bool)  # the last one is -1: no group
        gone[list(removed)] = True
        return [
            Count(path, len(f.channels), int((f.channels >= 0).sum()), int(gone[f.channels].sum()))
            for path, f in self.filters.items()
        ]

    def share(self, removed) -> float:
        """Share of the prunable filters that the `removed` groups (numbers) hold: what `amount` asks for."""
        return sum(len(self.groups[number].filters) for number in removed) / max(1, self.prunable)


def find_groups(model: keras.Model) -> Structure:
    """Read from a model's graph which filters can only be removed together.

    Channels that meet in Add, Multiply and their like, or pass one depthwise convolution or batch normalisation, are
    one group. In no group are channels of the model's inputs and outputs, those that a layer touches which no rule
    describes, those that would leave a constant behind when zeroed, and the only channel of a layer.

    Args:
        model: functional or sequential, built; nested models and layers that are called several times are followed.

    Raises:
        ValueError: a model without a graph.
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
    """A layer that is called again has one set of weights for both: its channels are the same each time."""
    for before, now in zip((*one[0], *one[1]), (*other[0], *other[1]), strict=True):
        if len(before.channels) == len(now.channels):
            trace.link(before.channels, now.channels)
        else:
            for features in (before, now):
                trace.pin(features.channels, f"passes {path!r}, which is called with unequal widths")


def _number_groups(trace: Trace, paths: dict[int, str]) -> Structure:
    ones = np.concatenate([np.zeros(0, int), *(link[0] for link in trace.links)])
    others = np.concatenate([np.zeros(0, int), *(link[1] for link in trace.links)])
    pairs = coo_array((np.ones(len(ones), bool), (ones, others)), shape=(trace.size, trace.size))
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
