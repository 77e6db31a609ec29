"""Builds Attention LinkNet: three EfficientNet branches with attention, one per view, that feed a LinkNet.

Source: paper, "Proposed LinkNet-152 model for spine segmentation", Figs. 5 and 6.
"""

import keras
from keras import layers

from spine_tf.config import VIEWS, require
from spine_tf.models.encoders import convolution, encode
from spine_tf.models.layers import FusedBatchNormalization, bilinear_enlarging
from spine_tf.models.linknet import zoo_network

SHARED = "shared"
"""Prefix of the one branch that reads all views when branches are shared."""

HEAD_FILTERS = 16
"""Channels of the head that brings maps fused at half resolution back to full."""


@keras.saving.register_keras_serializable(package="spine_tf")
class ViewsToBatch(layers.Layer):
    """Puts the views of each sample into the batch one by one: V tensors (batch, H, W, C) -> (batch * V, H, W, C)."""

    def call(self, inputs):
        stacked = keras.ops.stack(inputs, axis=1)  # (batch, V, H, W, C)
        return keras.ops.reshape(stacked, (-1, *inputs[0].shape[1:]))

    def compute_output_shape(self, input_shape):
        batch, *rest = input_shape[0]
        return (None if batch is None else batch * len(input_shape), *rest)


@keras.saving.register_keras_serializable(package="spine_tf")
class BatchToChannels(layers.Layer):
    """Undoes `ViewsToBatch`, the views now side by side: (batch * V, H, W, C) -> (batch, H, W, V * C).

    Args:
        views: number V of views.
    """

    def __init__(self, views: int, **kwargs):
        super().__init__(**kwargs)
        self.views = views

    def call(self, inputs):
        height, width, channels = inputs.shape[1:]
        split = keras.ops.reshape(inputs, (-1, self.views, height, width, channels))
        split = keras.ops.transpose(split, (0, 2, 3, 1, 4))  # (batch, H, W, V, C)
        return keras.ops.reshape(split, (-1, height, width, self.views * channels))

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        return (None if batch is None else batch // self.views, height, width, channels * self.views)

    def get_config(self):
        return super().get_config() | {"views": self.views}


def branch(x, encoder: str, attention: str, fusion: str, filters: int, side: int, prefix: str):
    """Extract one view's features: five maps, each projected by 1x1 and brought to `side` pixels, then joined.

    Source: paper, Fig. 5.

    Args:
        x: Keras tensor (batch, S, S, 3) in [0, 1].
        encoder: a row of `encoders.ENCODERS`.
        attention: a row of `attention.ATTENTION`.
        fusion: "concat" puts the five maps side by side, "add" sums them.
        filters: number of channels that each map is projected to.
        side: height and width of the result in pixels.
        prefix: first part of every layer's name, such as the view.

    Returns:
        Keras tensor (batch, side, side, 5 * filters), or (..., filters) for "add".
    """
    projected = []
    for block, features in zip((1, 2, 3, 4, 7), encode(x, encoder, attention, prefix), strict=True):
        # At the map's own resolution: projecting and resizing are both linear, and here it is far cheaper.
        features = layers.Conv2D(filters, 1, name=f"{prefix}_block{block}_projection")(features)
        factor = side // features.shape[1]
        if factor > 1:
            features = bilinear_enlarging(factor, f"{prefix}_block{block}_resize")(features)
        projected.append(features)
    join = layers.Concatenate if fusion == "concat" else layers.Add
    return join(name=f"{prefix}_fusion")(projected)


def full_resolution_head(coarse, slices: list, filters: int, masks: int):
    """Compute logits at the slices' own resolution, from a decoder's coarser features and the slices themselves.

    Maps fused at half the resolution tell a vertebra from its disc, but not the pixel where it ends; the slices do.
    Not in the paper, which fuses at full resolution.

    Args:
        coarse: Keras tensor (batch, S / factor, S / factor, C).
        slices: Keras tensors (batch, S, S, 3), one per view.
        filters: number of channels of the two layers in between.
        masks: number of output channels.

    Returns:
        Keras tensor (batch, S, S, masks).
    """

    def block(x, name):
        x = convolution(x, filters, 3, 1, f"{name}_conv")
        return layers.Activation("relu", name=f"{name}_relu")(FusedBatchNormalization(name=f"{name}_bn")(x))

    fine = layers.Concatenate(name="head_slices")(slices)  # (batch, S, S, 3 * V)
    factor = fine.shape[1] // coarse.shape[1]
    coarse = bilinear_enlarging(factor, "head_resize")(coarse)
    joined = layers.Concatenate(name="head_link")([coarse, block(fine, "head_fine")])
    return layers.Conv2D(masks, 1, name="head_full_conv")(block(joined, "head_joined"))


def triplet_model(inputs: list, logits, name: str, norm_momentum: float) -> keras.Model:
    """Make the model from the slices of a triplet to the sigmoid of their masks' logits.

    Args:
        inputs: Keras tensors of `triplet_inputs`.
        logits: Keras tensor (batch, S, S, 3).
        name: of the model.
        norm_momentum: of the moving statistics of every batch normalisation, in (0, 1).

    Returns:
        A model whose last layer is `mask`, (batch, S, S, 3) float32 in [0, 1].
    """
    mask = layers.Activation("sigmoid", dtype="float32", name="mask")(logits)
    model = keras.Model(inputs, mask, name=name)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = norm_momentum
    return model


def triplet_inputs(image_size: int, fusion_stride: int = 1) -> list:
    """Make the Keras tensors `axial`, `coronal`, `sagittal`, each (batch, S, S, 3) float32 in [0, 1].

    Args:
        image_size: side S of the slices in pixels, a multiple of 32 * fusion_stride.
        fusion_stride: factor by which the fused map is coarser than the slices; its encoder halves it five times.

    Raises:
        ValueError: a side that is no such multiple.
    """
    multiple = 32 * fusion_stride
    expected = "a multiple of 32" if fusion_stride == 1 else f"a multiple of 32 * fusion_stride = {multiple}"
    require(image_size >= 32 and image_size % multiple == 0, "image_size", expected, image_size)
    return [keras.Input((image_size, image_size, 3), dtype="float32", name=view) for view in VIEWS]


def build_attention_linknet(
    image_size: int,
    encoder: str = "efficientnetb7",
    linknet_encoder: str = "resnet152",
    attention: str = "cbam",
    fusion: str = "concat",
    fusion_filters: int = 4,
    fusion_stride: int = 1,
    decoder: str = "transpose",
    share_branches: bool = False,
    norm_momentum: float = 0.99,
    network: str = "linknet",
) -> keras.Model:
    """Build the paper's network, as one flat functional model with fresh weights.

    Source: paper, "Proposed LinkNet-152 model for spine segmentation", Figs. 5 and 6.

    Args:
        image_size: side S of the slices in pixels, a multiple of 32 * fusion_stride.
        encoder: encoder of each view's branch, a row of `encoders.ENCODERS`.
        linknet_encoder: encoder of the network that reads the fused map, one of `linknet.ENCODERS`.
        attention: module behind each of the first four blocks, a row of `attention.ATTENTION`.
        fusion: how the five maps of a view are joined, "concat" or "add".
        fusion_filters: number of channels that each of these maps is projected to.
        fusion_stride: 1 fuses the maps at the slices' own resolution, 2 at half of it.
        decoder: "transpose" or "upsampling", how the decoder doubles its resolution.
        share_branches: whether one encoder reads the three views.
        norm_momentum: momentum of every batch normalisation's moving statistics, in (0, 1).
        network: what reads the fused map, a row of `linknet.NETWORKS`; the paper has a LinkNet.

    Returns:
        A model with the inputs `axial`, `coronal`, `sagittal`, each (batch, S, S, 3) float32 in [0, 1], and the output
        `mask`, (batch, S, S, 3) float32 in [0, 1]: a probability map per view, in this order.

    Raises:
        ValueError: a size or the name of a part that cannot be built.

    Example:
        >>> model = build_attention_linknet(32, encoder="tiny", linknet_encoder="resnet18")
        >>> model.output.shape
        (None, 32, 32, 3)
    """
    require(fusion in ("concat", "add"), "fusion", "'concat' or 'add'", fusion)
    require(fusion_stride in (1, 2), "fusion_stride", "1 or 2", fusion_stride)
    inputs = triplet_inputs(image_size, fusion_stride)
    settings = encoder, attention, fusion, fusion_filters, image_size // fusion_stride
    if share_branches:
        slices = ViewsToBatch(name="views_to_batch")(inputs)  # (batch * V, S, S, 3)
        features = BatchToChannels(len(VIEWS), name="feature_map")(branch(slices, *settings, SHARED))
    else:
        maps = [branch(x, *settings, view) for x, view in zip(inputs, VIEWS, strict=True)]
        features = layers.Concatenate(name="feature_map")(maps)

    masks = len(VIEWS) if fusion_stride == 1 else HEAD_FILTERS
    logits = zoo_network(features, network, linknet_encoder, decoder, masks, prefix=network)
    if fusion_stride != 1:
        logits = full_resolution_head(logits, inputs, HEAD_FILTERS, masks=len(VIEWS))
    return triplet_model(inputs, logits, f"attention_{network}", norm_momentum)
