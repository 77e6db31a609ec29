"""Follows channels through layers with weights: convolutions, dense layers, batch normalisation."""

import numpy as np

from spine_tf.models.graph import Call
from spine_tf.pruning.channels import Features, Filters, NotUnderstood, Trace
from spine_tf.pruning.rules_plain import channels_last, zero_stays_zero


def convolution(trace: Trace, call: Call, inputs: list[Features]) -> list[Features]:
    """Follow Conv1D to Conv3D; kernel (..., in, out)."""
    channels_last(call.layer)
    _plain_weights(call.layer)
    if call.layer.groups != 1:
        raise NotUnderstood(f"a convolution in {call.layer.groups} groups")
    return _filters(trace, call, inputs[0], "filters", in_axis=-2, out_axis=-1)


def transposed(trace: Trace, call: Call, inputs: list[Features]) -> list[Features]:
    """Follow Conv1DTranspose to Conv3DTranspose; kernel (..., out, in)."""
    channels_last(call.layer)
    return _filters(trace, call, inputs[0], "filters", in_axis=-1, out_axis=-2)


def dense(trace: Trace, call: Call, inputs: list[Features]) -> list[Features]:
    """Follow Dense, on the last axis; kernel (in, out)."""
    _plain_weights(call.layer)
    return _filters(trace, call, inputs[0], "units", in_axis=0, out_axis=1)


def depthwise(trace: Trace, call: Call, inputs: list[Features]) -> list[Features]:
    """Follow DepthwiseConv1D and 2D; kernel (..., in, multiplier); channel c becomes c * multiplier + m."""
    layer, (x,) = call.layer, inputs
    channels_last(layer)
    # Its kernel goes with its group: a constant that comes in does not get through.
    out = np.repeat(x.channels, layer.depth_multiplier)
    kernel_axes = len(layer.kernel.shape)
    trace.slice(layer, "kernel", -2, x.channels, zeroed=True)
    trace.slice(layer, "bias", 0, out, zeroed=True)
    trace.filters[id(layer)] = Filters(layer, "kernel", (kernel_axes - 2, kernel_axes - 1), out)
    return [_activated(trace, call, out)]


def separable(trace: Trace, call: Call, inputs: list[Features]) -> list[Features]:
    """Follow SeparableConv1D and 2D: the filters are those of the pointwise kernel (..., in * multiplier, out)."""
    layer, (x,) = call.layer, inputs
    channels_last(layer)
    trace.slice(layer, "depthwise_kernel", -2, x.channels)
    return _filters(trace, call, x, "filters", -2, -1, kernel="pointwise_kernel", repeat=layer.depth_multiplier)


def normalization(trace: Trace, call: Call, inputs: list[Features]) -> list[Features]:
    """Follow BatchNormalization of the last axis; with gamma and beta at zero it gives zero for any input."""
    layer, (x,) = call.layer, inputs
    axes = layer.axis if isinstance(layer.axis, (list, tuple)) else [layer.axis]
    rank = len(call.inputs[0].shape)
    if [axis % rank for axis in axes] != [rank - 1] or getattr(layer, "renorm", False):
        raise NotUnderstood("a normalisation of another axis than the last, or a renormalisation")
    trace.slice(layer, "gamma", 0, x.channels, zeroed=True)
    trace.slice(layer, "beta", 0, x.channels, zeroed=True)
    trace.slice(layer, "moving_mean", 0, x.channels, zeroed=not layer.scale)
    trace.slice(layer, "moving_variance", 0, x.channels)
    return [x._replace(vanishes=x.vanishes | bool(layer.scale))]


def prelu(trace: Trace, call: Call, inputs: list[Features]) -> list[Features]:
    """Follow PReLU with slopes for each channel."""
    trace.slice(call.layer, "alpha", -1, inputs[0].channels)
    return inputs


def _filters(
    trace: Trace, call: Call, x: Features, key: str, in_axis: int, out_axis: int, kernel="kernel", repeat=1
) -> list[Features]:
    """Follow a layer that mixes its input channels into new ones."""
    layer = call.layer
    weight = getattr(layer, kernel)
    trace.consume(x, call.path)
    out = trace.new(weight.shape[out_axis])
    trace.slice(layer, kernel, in_axis, np.repeat(x.channels, repeat))
    trace.slice(layer, kernel, out_axis, out, zeroed=True)
    trace.slice(layer, "bias", 0, out, zeroed=True)
    trace.width(layer, key, out)
    trace.filters[id(layer)] = Filters(layer, kernel, (out_axis % len(weight.shape),), out)
    return [_activated(trace, call, out)]


def _activated(trace: Trace, call: Call, out: np.ndarray) -> Features:
    """Follow new channels through the activation of their own layer."""
    stays = zero_stays_zero(call.layer.activation)
    if stays is None:
        trace.pin(out, f"passes the activation of {call.path!r}, which mixes channels or cannot be tested")
    return Features(out, np.full(len(out), bool(stays)))


def _plain_weights(layer) -> None:
    """Refuse a layer whose kernel is not the weight that it computes with."""
    if getattr(layer, "lora_enabled", False) or getattr(layer, "quantization_mode", None):
        raise NotUnderstood("a layer with low-rank or quantised weights")
