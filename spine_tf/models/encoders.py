"""Builds EfficientNet encoders from a block table of our own, so that attention can stand between the blocks.

A new encoder is one row in `ENCODERS`. Source: Tan and Le, "EfficientNet", ICML 2019; layer for layer the same as
`keras.applications.efficientnet`, whose weights `copy_weights` takes over.
"""

import math
from typing import NamedTuple

import keras
import numpy as np
from keras import layers

from spine_tf.config import require
from spine_tf.models.attention import ATTENTION
from spine_tf.models.layers import Excite, FusedBatchNormalization, NormalizedSwish, swish

ATTENDED_BLOCKS = 4
"""The first four blocks are followed by an attention module (paper, "Proposed LinkNet-152 model ...")."""
DROP_CONNECT = 0.2
"""Probability of skipping the last repetition of a block in training; earlier ones proportionally less."""


class Block(NamedTuple):
    """Describes one block of the table at width and depth 1; only its first repetition has the stride."""

    kernel: int
    repeats: int
    filters: int
    expand: int
    stride: int


class Encoder(NamedTuple):
    """Describes one encoder: the table of its seven blocks and how they are scaled."""

    width: float
    depth: float
    blocks: tuple[Block, ...]
    stem: int = 32
    squeeze: float | None = 0.25
    """Squeeze-and-excitation inside each repetition, as a share of its input filters; None: without."""
    activation: str = "swish"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    """Pixel mean that the encoder expects to be subtracted, of pixels in [0, 1] (here ImageNet's)."""
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    """Pixel standard deviation that the encoder expects to be divided by."""


EFFICIENTNET = (
    Block(3, 1, 16, 1, 1),
    Block(3, 2, 24, 6, 2),
    Block(5, 2, 40, 6, 2),
    Block(3, 3, 80, 6, 2),
    Block(5, 3, 112, 6, 1),
    Block(5, 4, 192, 6, 2),
    Block(3, 1, 320, 6, 1),
)
NARROW = tuple(
    Block(3, 1, filters, 2, block.stride)
    for filters, block in zip((8, 8, 16, 16, 16, 24, 24), EFFICIENTNET, strict=True)
)
LITE_PIXEL = (127 / 255,) * 3, (128 / 255,) * 3

ENCODERS = {
    "efficientnetb0": Encoder(1.0, 1.0, EFFICIENTNET),
    "efficientnetb1": Encoder(1.0, 1.1, EFFICIENTNET),
    "efficientnetb2": Encoder(1.1, 1.2, EFFICIENTNET),
    "efficientnetb3": Encoder(1.2, 1.4, EFFICIENTNET),
    "efficientnetb4": Encoder(1.4, 1.8, EFFICIENTNET),
    "efficientnetb5": Encoder(1.6, 2.2, EFFICIENTNET),
    "efficientnetb6": Encoder(1.8, 2.6, EFFICIENTNET),
    "efficientnetb7": Encoder(2.0, 3.1, EFFICIENTNET),
    "efficientnetlite0": Encoder(1.0, 1.0, EFFICIENTNET, 32, None, "relu6", *LITE_PIXEL),
    "tiny": Encoder(1.0, 1.0, NARROW, 8),
}


def kernel_initializer() -> keras.initializers.Initializer:
    """Make EfficientNet's initializer, a new one for every layer.

    One instance draws the same values each time. Layers that shared it would start equal, and so would the branches.
    """
    return keras.initializers.VarianceScaling(scale=2.0, mode="fan_out", distribution="truncated_normal")


def scaled_filters(filters: int, width: float) -> int:
    """Multiply filters by a width and round to a multiple of 8, but by no more than 10 % down."""
    scaled = filters * width
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * scaled else rounded


def convolution(x, filters: int, kernel: int, stride: int, name: str):
    """Convolve without a bias, zero-padded: (batch, H, W, C) -> (batch, H / stride, W / stride, filters)."""
    start = kernel_initializer()
    return layers.Conv2D(filters, kernel, stride, "same", use_bias=False, kernel_initializer=start, name=name)(x)


def _activated(x, activation: str, bn_name: str, name: str):
    """Normalise and activate; with swish by one layer, which takes the name of the normalisation."""
    if activation == "swish":
        return NormalizedSwish(name=bn_name)(x)
    return layers.Activation(activation, name=name)(FusedBatchNormalization(name=bn_name)(x))


def _squeeze_excite(x, filters: int, activation: str, name: str):
    """Weigh the channels by squeeze-and-excitation."""
    squeezed = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_se_squeeze")(x)  # (batch, 1, 1, C)
    activation = swish if activation == "swish" else activation
    for part, width, function in (("reduce", filters, activation), ("expand", x.shape[-1], "sigmoid")):
        squeezed = layers.Conv2D(
            width, 1, activation=function, kernel_initializer=kernel_initializer(), name=f"{name}_se_{part}"
        )(squeezed)
    return Excite(name=f"{name}_se_excite")([x, squeezed])


def _inverted_residual(x, row: Encoder, block: Block, stride: int, filters: int, drop_rate: float, name: str):
    """Apply one repetition of a block: expand, convolve each channel, project, and add the input where it fits."""
    inputs, filters_in = x, x.shape[-1]
    if block.expand != 1:
        x = convolution(x, filters_in * block.expand, 1, 1, f"{name}_expand_conv")
        x = _activated(x, row.activation, f"{name}_expand_bn", f"{name}_expand_activation")
    start = kernel_initializer()
    x = layers.DepthwiseConv2D(
        block.kernel, stride, "same", use_bias=False, depthwise_initializer=start, name=f"{name}_dwconv"
    )(x)
    x = _activated(x, row.activation, f"{name}_bn", f"{name}_activation")
    if row.squeeze is not None:
        x = _squeeze_excite(x, max(1, int(filters_in * row.squeeze)), row.activation, name)
    x = convolution(x, filters, 1, 1, f"{name}_project_conv")
    x = FusedBatchNormalization(name=f"{name}_project_bn")(x)
    if stride == 1 and filters_in == filters:
        if drop_rate > 0:
            x = layers.Dropout(drop_rate, noise_shape=(None, 1, 1, 1), name=f"{name}_drop")(x)
        x = layers.Add(name=f"{name}_add")([x, inputs])
    return x


def input_scaling(encoder: str, name: str) -> layers.Layer:
    """Make the layer that brings pixels in [0, 1] to what a row of `ENCODERS` expects.

    One affine map with the values of Keras' Rescaling, Normalization and Rescaling.
    """
    row = ENCODERS[encoder]
    return layers.Rescaling(
        scale=[1 / std for std in row.std],
        offset=[-mean / std for mean, std in zip(row.mean, row.std, strict=True)],
        name=name,
    )


def encode(x, encoder: str, attention: str, prefix: str) -> list:
    """Apply all seven blocks of an encoder, an attention module in line after each of the first four.

    Source: paper, "Proposed LinkNet-152 model for spine segmentation", Fig. 5.

    Layer names are addresses: `{prefix}_block2a_expand_conv`, `{prefix}_block2_attention`; without the prefix they are
    those of `keras.applications`.

    Args:
        x: Keras tensor (batch, S, S, 3) in [0, 1]; scaled here to what the encoder expects.
        encoder: a row of `ENCODERS`.
        attention: a row of `ATTENTION`.
        prefix: first part of every layer's name, such as the view.

    Returns:
        Five Keras tensors: the refined maps of blocks 1 to 4 (strides 2, 4, 8, 16) and the map of block 7 (stride 32).

    Raises:
        ValueError: an unknown encoder or attention.
    """
    require(encoder in ENCODERS, "encoder", f"one of {sorted(ENCODERS)}", encoder)
    require(attention in ATTENTION, "attention", f"one of {sorted(ATTENTION)}", attention)
    row = ENCODERS[encoder]
    x = input_scaling(encoder, f"{prefix}_scaling")(x)
    x = convolution(x, scaled_filters(row.stem, row.width), 3, 2, f"{prefix}_stem_conv")
    x = _activated(x, row.activation, f"{prefix}_stem_bn", f"{prefix}_stem_activation")

    maps = []
    repeats = [math.ceil(block.repeats * row.depth) for block in row.blocks]
    for number, block in enumerate(row.blocks, start=1):
        for repetition in range(repeats[number - 1]):
            done = sum(repeats[: number - 1]) + repetition
            x = _inverted_residual(
                x,
                row,
                block,
                stride=block.stride if repetition == 0 else 1,
                filters=scaled_filters(block.filters, row.width),
                drop_rate=DROP_CONNECT * done / sum(repeats),
                name=f"{prefix}_block{number}{chr(ord('a') + repetition)}",
            )
        if number <= ATTENDED_BLOCKS:
            x = ATTENTION[attention](x, f"{prefix}_block{number}_attention")
            maps.append(x)
    return [*maps, x]


def layer_weights(model: keras.Model) -> dict[str, list[np.ndarray]]:
    """Collect the weights of a model: layer name -> what its `set_weights` takes, of all layers with weights."""
    return {layer.name: layer.get_weights() for layer in model.layers if layer.weights}


def copy_weights(source: dict[str, list[np.ndarray]], target: keras.Model, prefix: str) -> int:
    """Copy weights into one part of a model, such as those of an EfficientNet of `keras.applications` into a branch.

    Layers without a counterpart are left out: an EfficientNet's input scaling, which is built in here, and its top.
    Attention modules keep the weights they have.

    Args:
        source: weights by layer name, such as `layer_weights` of `keras.applications.EfficientNetB*`, of the branch's
            own size, with or without its top.
        target: a model that holds layers named `{prefix}_stem_conv` and so on.
        prefix: the branch, such as "axial".

    Returns:
        The number of layers copied.

    Raises:
        ValueError: no layer of the source has a counterpart, or one has other shapes.
    """
    addresses = {layer.name: layer for layer in target.layers}
    pairs = [(weights, addresses.get(f"{prefix}_{name}")) for name, weights in source.items()]
    pairs = [(weights, layer) for weights, layer in pairs if layer is not None]
    if not pairs:
        raise ValueError(f"prefix must name a branch of the target. Received: prefix={prefix!r}")
    for weights, layer in pairs:
        layer.set_weights(weights)
    return len(pairs)
