"""Records what layers do to the channels of a network, each channel being a number.

Every channel that a layer makes gets a number. Layers pass numbers on, in another order or several times where they do
that to channels. Two channels that meet, as in an addition, are linked. Linked channels become one group.
"""

from collections.abc import Iterable
from typing import NamedTuple

import keras
import numpy as np


class NotUnderstood(Exception):
    """Is raised where a layer does to its channels what no rule describes; the text says what."""


class Features(NamedTuple):
    """Holds the channels of one tensor, its last axis."""

    channels: np.ndarray
    """Number of each channel, (C,) int64."""
    vanishes: np.ndarray
    """Whether a channel is zero everywhere once its group is zeroed, (C,) bool. Behind a sigmoid it is 0.5 instead."""


class Filters(NamedTuple):
    """Describes the filters of one convolution (a dense layer is a 1x1 convolution)."""

    layer: object
    kernel: str
    """Attribute of the layer that holds the weights."""
    axes: tuple[int, ...]
    """Axes of the kernel that count filters: one, or two of a depthwise kernel (channel, multiplier)."""
    channels: np.ndarray
    """Channel that each filter makes, (filters,) int64; in a `Structure` the number of its group, -1 for none."""


class Slice(NamedTuple):
    """Describes one axis of one weight, channel by channel."""

    layer: object
    weight: str
    """Attribute of the layer that holds the weight."""
    axis: int
    channels: np.ndarray
    """(size of the axis,) int64, as `Filters.channels`."""
    zeroed: bool
    """Whether the channel's part of the weight must be zero for the channel to vanish."""

    @property
    def variable(self) -> keras.Variable:
        """The weight itself."""
        return getattr(self.layer, self.weight)

    def along_axis(self, values: np.ndarray) -> np.ndarray:
        """Reshape (size of the axis,) so that it broadcasts over the weight."""
        return values.reshape([-1 if axis == self.axis else 1 for axis in range(len(self.variable.shape))])


class Width(NamedTuple):
    """Describes an entry of a layer's config that counts channels."""

    layer: object
    key: str
    channels: np.ndarray


class Trace:
    """Collects what the rules find on the walk of `groups.find_groups` through a graph."""

    def __init__(self):
        self.size = 0
        self.links: list[tuple[np.ndarray, np.ndarray]] = []
        self.pins: list[tuple[np.ndarray, str]] = []
        self.refused: dict[int, str] = {}
        self.filters: dict[int, Filters] = {}
        self.slices: dict[tuple[int, str, int], Slice] = {}
        self.widths: dict[int, Width] = {}

    def new(self, count: int) -> np.ndarray:
        """Make numbers for new channels, (count,) int64."""
        self.size += count
        return np.arange(self.size - count, self.size)

    def fixed(self, tensors: Iterable[keras.KerasTensor], reason: str) -> list[Features]:
        """Make new channels for these tensors that cannot be removed and do not vanish; `reason` as `pin`."""
        counts = [(tensor.shape[-1] or 0) if len(tensor.shape) else 0 for tensor in tensors]
        outputs = [Features(self.new(count), np.zeros(count, bool)) for count in counts]
        for features in outputs:
            self.pin(features.channels, reason)
        return outputs

    def link(self, one: np.ndarray, other: np.ndarray) -> None:
        """Record that these channels meet, one by one: they can only be removed together."""
        self.links.append((one, other))

    def pin(self, channels: np.ndarray, reason: str) -> None:
        """Record that these channels cannot be removed. `reason` completes the sentence "the channel ..."."""
        self.pins.append((channels, reason))

    def refuse(self, layer, what: str) -> None:
        """Record that a layer keeps all its channels; `what` says what kind of layer it is."""
        self.refused[id(layer)] = f"is {what}"

    def slice(self, layer, weight: str, axis: int, channels: np.ndarray, zeroed: bool = False) -> None:
        """Record an axis of a weight, counted from 0 or from the end; nothing if the weight is None, as a bias may be.

        Raises:
            NotUnderstood: the axis is not as long as there are channels.
        """
        variable = getattr(layer, weight)
        if variable is None:
            return
        axis %= len(variable.shape)
        if variable.shape[axis] != len(channels):
            raise NotUnderstood(f"a layer whose {weight} has the shape {tuple(variable.shape)}")
        # Keyed: a layer that is called twice says the same twice.
        self.slices[id(layer), weight, axis] = Slice(layer, weight, axis, channels, zeroed)

    def width(self, layer, key: str, channels: np.ndarray) -> None:
        """Record that an entry of the layer's config counts these channels."""
        self.widths[id(layer)] = Width(layer, key, channels)

    def consume(self, features: Features, path: str) -> None:
        """Record that a layer mixes these channels: one that does not vanish would be missed, and must stay."""
        self.pin(features.channels[~features.vanishes], f"reaches {path!r} as a constant other than zero once zeroed")
