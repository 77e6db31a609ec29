"""Channels of a network as numbers, and what is learnt about them on a walk through its graph.

Every channel that a layer makes gets a number. Layers pass numbers on, in whatever order and as often as they repeat
a channel; where two channels meet, they are linked. Linked channels are one group afterwards.
"""

from typing import NamedTuple

import numpy as np


class NotUnderstood(Exception):
    """A layer does with its channels what no rule describes; the text says what."""


class Features(NamedTuple):
    """The channels of one tensor, its last axis."""

    channels: np.ndarray
    """(C,) int64: the number of each channel."""
    vanishes: np.ndarray
    """(C,) bool: whether the channel is zero everywhere once its group is zeroed. A sigmoid's is a constant 0.5."""


class Filters(NamedTuple):
    """The filters of one convolution (a dense layer is a 1x1 convolution)."""

    layer: object
    kernel: str
    """Attribute of the layer that holds the weights."""
    axes: tuple[int, ...]
    """Axes of the kernel that count filters: one, or two of a depthwise kernel (channel, multiplier)."""
    channels: np.ndarray
    """(filters,) int64: what each filter makes; in a `Structure` the number of its group instead, -1 for none."""


class Slice(NamedTuple):
    """One axis of one weight, channel by channel."""

    layer: object
    weight: str
    """Attribute of the layer."""
    axis: int
    channels: np.ndarray
    """(size of the axis,) int64, as `Filters.channels`."""
    zeroed: bool
    """Whether the channel's part of the weight must be zero for the channel to vanish."""


class Width(NamedTuple):
    """An entry of a layer's config that counts channels."""

    layer: object
    key: str
    channels: np.ndarray


class Trace:
    """What the rules write down; the walk is in `groups.find_groups`."""

    def __init__(self):
        self.size = 0
        self.links: list[tuple[np.ndarray, np.ndarray]] = []
        self.pins: list[tuple[np.ndarray, str]] = []
        self.refused: dict[int, str] = {}
        self.filters: dict[int, Filters] = {}
        self.slices: dict[tuple[int, str, int], Slice] = {}
        self.widths: dict[int, Width] = {}

    def new(self, count: int) -> np.ndarray:
        """Numbers for channels that did not exist before."""
        self.size += count
        return np.arange(self.size - count, self.size)

    def link(self, one: np.ndarray, other: np.ndarray) -> None:
        """These channels meet, one by one: they live or die together."""
        self.links.append((one, other))

    def pin(self, channels: np.ndarray, reason: str) -> None:
        """These channels cannot be removed. `reason` completes the sentence "the channel ..."."""
        self.pins.append((channels, reason))

    def refuse(self, layer, what: str) -> None:
        """The layer is left whole; `what` says what kind of layer it is."""
        self.refused[id(layer)] = f"is {what}"

    def slice(self, layer, weight: str, axis: int, channels: np.ndarray, zeroed: bool = False) -> None:
        """An axis of a weight, if the layer has that weight (a bias may be None). Counted from 0 or from the end."""
        variable = getattr(layer, weight)
        if variable is None:
            return
        axis %= len(variable.shape)
        if variable.shape[axis] != len(channels):
            raise NotUnderstood(f"a layer whose {weight} has the shape {tuple(variable.shape)}")
        # Keyed: a layer that is called twice says the same twice.
        self.slices[id(layer), weight, axis] = Slice(layer, weight, axis, channels, zeroed)

    def width(self, layer, key: str, channels: np.ndarray) -> None:
        """An entry of the layer's config counts these channels."""
        self.widths[id(layer)] = Width(layer, key, channels)

    def consume(self, features: Features, path: str) -> None:
        """The layer mixes these channels: one that does not vanish would be missed, and must stay."""
        self.pin(features.channels[~features.vanishes], f"reaches {path!r} as a constant other than zero once zeroed")
