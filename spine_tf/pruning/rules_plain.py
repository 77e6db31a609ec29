"""Follows channels through layers without weights: activations, pooling, merging, reshaping, and our own."""

from collections.abc import Callable
from functools import lru_cache

import keras
import numpy as np

from spine_tf.models.graph import Call
from spine_tf.pruning.channels import Features, NotUnderstood, Trace


def channels_last(layer) -> None:
    """Refuse a layer whose channels are not its last axis.

    Raises:
        NotUnderstood: it is such a layer.
    """
    if getattr(layer, "data_format", None) == "channels_first":
        raise NotUnderstood("a layer with channels first")


@lru_cache(maxsize=256)
def zero_stays_zero(function: Callable | None) -> bool | None:
    """Tell whether an activation maps 0 to 0, by trying it out.

    Returns:
        None if it does not treat each channel on its own, or cannot be tried.
    """
    if function is None:
        return True
    x = np.random.default_rng(0).normal(0, 3, (64, 3)).astype("float32")
    try:
        values = np.asarray(function(keras.ops.convert_to_tensor(x)))
        zero = np.asarray(function(keras.ops.zeros((1, 3))))
        for channel in range(3):
            others = np.where(np.arange(3) == channel, x, x[::-1] + 1)
            again = np.asarray(function(keras.ops.convert_to_tensor(others)))
            if values.shape != x.shape or not np.allclose(values[:, channel], again[:, channel], atol=1e-6):
                return None
    except Exception:  # whatever a function of somebody else's raises on two axes: it cannot be tested
        return None
    return not zero.any()


def activation(trace: Trace, call: Call, inputs: list[Features]) -> list[Features]:
    """Follow Activation, ReLU, LeakyReLU and ELU: each channel on its own."""
    # A layer that was called once remembers its rank; the function of `Activation` does not.
    function = getattr(call.layer, "activation", None) or type(call.layer).from_config(call.layer.get_config())
    stays = zero_stays_zero(function)
    if stays is None:
        raise NotUnderstood("an activation that mixes channels or cannot be tested")
    return [x._replace(vanishes=x.vanishes & stays) for x in inputs]


def same_channels(trace: Trace, call: Call, inputs: list[Features]) -> list[Features]:
    """Follow layers that leave the last axis alone and map zero to zero: pooling, padding, resizing, dropout."""
    channels_last(call.layer)
    noise_shape = getattr(call.layer, "noise_shape", None)
    if noise_shape is not None and noise_shape[-1] not in (None, 1):
        raise NotUnderstood(f"a dropout with noise_shape {tuple(noise_shape)}")
    if getattr(call.layer, "fill_value", 0) != 0:
        raise NotUnderstood("a layer that fills in another value than zero")
    return inputs


def model_input(trace: Trace, call: Call, inputs: list[Features]) -> list[Features]:
    """Follow InputLayer: that of a nested model has the channels it is given, the model's own can lose none."""
    if inputs:
        trace.width(call.layer, "batch_shape", inputs[0].channels)
        return inputs
    return trace.fixed(call.outputs, f"meets the model's input {call.path!r}")


def rescaling(trace: Trace, call: Call, inputs: list[Features]) -> list[Features]:
    """Follow Rescaling; channels with a factor of their own stay: the factors are no weights that could be sliced."""
    layer, (x,) = call.layer, inputs
    if np.size(layer.scale) != 1 or np.size(layer.offset) != 1:
        trace.pin(x.channels, f"has a scale of its own in {call.path!r}")
    return [x._replace(vanishes=x.vanishes & (np.asarray(layer.offset) == 0).all())]


def input_statistics(trace: Trace, call: Call, inputs: list[Features]) -> list[Features]:
    """Follow Normalization: its channels stay, which have statistics of their own, and none is zero behind it."""
    (x,) = inputs
    trace.pin(x.channels, f"has statistics of its own in {call.path!r}")
    return [x._replace(vanishes=np.zeros(len(x.channels), bool))]


def meet(trace: Trace, call: Call, inputs: list[Features]) -> list[Features]:
    """Follow Add and its like: channels of one number meet, and vanish where all of them do."""
    full = _link_all(trace, call, inputs)
    vanishes = np.logical_and.reduce([np.broadcast_to(x.vanishes, full.shape) for x in inputs])
    return [Features(full, vanishes & (len({len(x.channels) for x in inputs}) == 1))]


def gate(trace: Trace, call: Call, inputs: list[Features]) -> list[Features]:
    """Follow Multiply: channels of one number meet, and vanish where one of them does."""
    full = _link_all(trace, call, inputs)
    # A map of one channel, such as spatial attention, is pinned: it never vanishes.
    vanishes = np.logical_or.reduce([x.vanishes for x in inputs if len(x.channels) == len(full)])
    return [Features(full, vanishes)]


def concatenate(trace: Trace, call: Call, inputs: list[Features]) -> list[Features]:
    """Follow Concatenate: side by side along the last axis; along another one channels meet as in Add."""
    rank = len(call.inputs[0].shape)
    if call.layer.axis % rank != rank - 1:
        return meet(trace, call, inputs)
    return [Features(*(np.concatenate([x[part] for x in inputs]) for part in range(2)))]


def reshape(trace: Trace, call: Call, inputs: list[Features]) -> list[Features]:
    """Follow Reshape and Flatten, if every index of the new last axis belongs to one channel."""
    layer, (x,) = call.layer, inputs
    channels_last(layer)
    shape, target = call.inputs[0].shape[1:], call.outputs[0].shape[1:]
    if None in shape or None in target or not shape:
        raise NotUnderstood("a reshape of an unknown size")
    # Of every element, its place in the old last axis: (elements / new last axis, new last axis).
    places = np.broadcast_to(np.arange(shape[-1], dtype=np.int32), shape).reshape(-1, target[-1])
    if (places != places[0]).any():
        raise NotUnderstood("a reshape that mixes channels with places")
    if "target_shape" in layer.get_config():
        trace.width(layer, "target_shape", x.channels[places[0]])
    return [Features(x.channels[places[0]], x.vanishes[places[0]])]


def permute(trace: Trace, call: Call, inputs: list[Features]) -> list[Features]:
    """Follow Permute, if the last axis stays the last."""
    if call.layer.dims[-1] != len(call.layer.dims):
        raise NotUnderstood("a permutation that moves the channels")
    return inputs


def batch_to_channels(trace: Trace, call: Call, inputs: list[Features]) -> list[Features]:
    """Follow BatchToChannels: channel c of view v becomes v * C + c, so each appears once for every view."""
    (x,) = inputs
    return [Features(np.tile(x.channels, call.layer.views), np.tile(x.vanishes, call.layer.views))]


def channel_pool(trace: Trace, call: Call, inputs: list[Features]) -> list[Features]:
    """Follow ChannelPool: mean and maximum of all channels. `surgery` tells it how many zeros it has lost."""
    trace.consume(inputs[0], call.path)
    trace.width(call.layer, "zeros", inputs[0].channels)
    return trace.fixed(call.outputs, f"is a statistic of all channels, made by {call.path!r}")


def _link_all(trace: Trace, call: Call, inputs: list[Features]) -> np.ndarray:
    """Link inputs of equal width and return their channels; an input of a single channel meets all, and stays."""
    full = max(inputs, key=lambda x: len(x.channels)).channels
    for x in inputs:
        if len(x.channels) == len(full):
            trace.link(full, x.channels)
        elif len(x.channels) == 1:
            trace.pin(x.channels, f"is laid over all channels in {call.path!r}")
        else:
            raise NotUnderstood("a merge of unequal widths")
    return full
