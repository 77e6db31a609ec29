"""Attention LinkNet: three attended EfficientNet branches, one per view, feeding a LinkNet, or another network.

Source: paper, "Proposed LinkNet-152 model for spine segmentation", Figs. 5 and 6.
"""

import keras
from keras import layers

from spine_tf.config import VIEWS
from spine_tf.models.encoders import encode, kernel_initializer
from spine_tf.models.layers import FusedBatchNormalization
from spine_tf.models.linknet import zoo_network

SHARED = "shared"
"""Prefix of the one branch that reads all views when branches are shared."""

HEAD_FILTERS = 16
"""Channels of the head that brings maps fused at half resolution back to full."""


@keras.saving.register_keras_serializable(package="spine_tf")
class ViewsToBatch(layers.Layer):
    """Lay the views of each sample in the batch one by one: V tensors (batch, H, W, C) -> (batch * V, H, W, C)."""

    def call(self, inputs):
        stacked = keras.ops.stack(inputs, axis=1)  # (batch, V, H, W, C)
        return keras.ops.reshape(stacked, (-1, *inputs[0].shape[1:]))

    def compute_output_shape(self, input_shape):
        batch, *rest = input_shape[0]
        return (None if batch is None else batch * len(input_shape), *rest)


@keras.saving.register_keras_serializable(package="spine_tf")
class BatchToChannels(layers.Layer):
    """Undo `ViewsToBatch`, the views now side by side: (batch * V, H, W, C) -> (batch, H, W, V * C)."""

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
    """One view's features: five maps, each projected by 1x1 and brought to `side` pixels, then joined.

    Args:
        x: Keras tensor (batch, S, S, 3) in [0, 1].
        fusion: "concat" puts the five maps side by side, "add" sums them.
        filters: channels each map is projected to.

    Returns:
        Keras tensor (batch, side, side, 5 * filters), or (..., filters) for "add".
    """
    projected = []
    for block, features in zip((1, 2, 3, 4, 7), encode(x, encoder, attention, prefix), strict=True):
        # At the map's own resolution: projecting and resizing are both linear, and here it is far cheaper.
        features = layers.Conv2D(filters, 1, name=f"{prefix}_block{block}_projection")(features)
        factor = side // features.shape[1]
        if factor > 1:
            features = layers.UpSampling2D(factor, interpolation="bilinear", name=f"{prefix}_block{block}_resize")(
                features
            )
        projected.append(features)
    join = layers.Concatenate if fusion == "concat" else layers.Add
    return join(name=f"{prefix}_fusion")(projected)


def full_resolution_head(coarse, slices: list, filters: int, masks: int):
    """Logits at the slices' own resolution, from a decoder's coarser features and the slices themselves.

    Maps fused at half the resolution tell a vertebra from its disc, but not the pixel where it ends; the slices do.
    Not in the paper, which fuses at full resolution.

    Args:
        coarse: Keras tensor (batch, S / factor, S / factor, C).
        slices: Keras tensors (batch, S, S, 3), one per view.
        filters: channels of the two layers in between.

    Returns:
        Keras tensor (batch, S, S, masks).
    """

    def block(x, name):
        x = layers.Conv2D(
            filters, 3, padding="same", use_bias=False, kernel_initializer=kernel_initializer(), name=f"{name}_conv"
        )(x)
        return layers.Activation("relu", name=f"{name}_relu")(FusedBatchNormalization(name=f"{name}_bn")(x))

    fine = layers.Concatenate(name="head_slices")(slices)  # (batch, S, S, 3 * V)
    factor = fine.shape[1] // coarse.shape[1]
    coarse = layers.UpSampling2D(factor, interpolation="bilinear", name="head_resize")(coarse)
    joined = layers.Concatenate(name="head_link")([coarse, block(fine, "head_fine")])
    return layers.Conv2D(masks, 1, name="head_full_conv")(block(joined, "head_joined"))


def triplet_model(inputs: list, logits, name: str, norm_momentum: float) -> keras.Model:
    """The network between the slices of a triplet and their masks' logits, (batch, S, S, 3), named as all are."""
    mask = layers.Activation("sigmoid", dtype="float32", name="mask")(logits)
    model = keras.Model(inputs, mask, name=name)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = norm_momentum
    return model


def triplet_inputs(image_size: int) -> list:
    """Keras tensors `axial`, `coronal`, `sagittal`, each (batch, S, S, 3) float32 in [0, 1].

    Raises:
        ValueError: a side that is no multiple of 32.
    """
    if image_size < 32 or image_size % 32:
        raise ValueError(f"image_size must be a multiple of 32. Received: image_size={image_size!r}")
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
    """The network, as one flat functional model. The switches are those of `config.ModelConfig`.

    Args:
        image_size: side S of the slices in pixels, a multiple of 32 * fusion_stride.
        network: what reads the fused map, a row of `linknet.NETWORKS`; the paper has a LinkNet.

    Returns:
        A model with the inputs `axial`, `coronal`, `sagittal`, each (batch, S, S, 3) float32 in [0, 1], and the output
        `mask`, (batch, S, S, 3) float32 in [0, 1]: a probability map per view, in this order.

    Raises:
        ValueError: a size or the name of a part that cannot be built.
    """
    if fusion not in ("concat", "add"):
        raise ValueError(f"fusion must be 'concat' or 'add'. Received: fusion={fusion!r}")
    if fusion_stride not in (1, 2):
        raise ValueError(f"fusion_stride must be 1 or 2. Received: fusion_stride={fusion_stride!r}")
    if image_size < 32 or image_size % (32 * fusion_stride):
        raise ValueError(
            f"image_size must be a multiple of 32 * fusion_stride = {32 * fusion_stride}. "
            f"Received: image_size={image_size!r}"
        )
    inputs = triplet_inputs(image_size)
    side = image_size // fusion_stride
    if share_branches:
        slices = ViewsToBatch(name="views_to_batch")(inputs)
        maps = branch(slices, encoder, attention, fusion, fusion_filters, side, SHARED)
        features = BatchToChannels(len(VIEWS), name="feature_map")(maps)
    else:
        maps = [
            branch(x, encoder, attention, fusion, fusion_filters, side, view)
            for x, view in zip(inputs, VIEWS, strict=True)
        ]
        features = layers.Concatenate(name="feature_map")(maps)

    masks = len(VIEWS) if fusion_stride == 1 else HEAD_FILTERS
    logits = zoo_network(features, network, linknet_encoder, decoder, masks, prefix=network)
    if fusion_stride != 1:
        logits = full_resolution_head(logits, inputs, HEAD_FILTERS, masks=len(VIEWS))
    return triplet_model(inputs, logits, f"attention_{network}", norm_momentum)
