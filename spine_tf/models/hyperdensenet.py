"""Builds HyperDenseNet: a stream of convolutions for each view; every layer reads all earlier layers of all streams.

Source: Dolz et al., "HyperDense-Net: A hyper-densely connected CNN for multi-modal image segmentation", IEEE TMI 38(5),
2019 (arXiv 1804.02967), and its authors' code, github.com/josedolz/HyperDenseNet (Theano; layers, dropout, PReLU) and
HyperDenseNet_pytorch (three streams). The spine paper has it in "A gradient sensitivity based network pruning" alone:
"we introduce a pruning method based on gradient sensitivity, specifically designed to enhance the performance of the
HyperDenseNet for spine segmentation tasks"; Step 1 then "begins by initializing a U-Net model", and no table has it.

What differs from the original:

- slices and kernels of 3 x 3 instead of volumes and 3 x 3 x 3;
- the three views instead of imaging modalities: they meet pixel by pixel, as in the proposed network, although a pixel
  is another place of the body in each view;
- zero padding instead of cropping, so that slices keep their size;
- a sigmoid for each view's mask instead of a softmax over classes.

Nothing is downsampled: the receptive field is 19 x 19 pixels, and every layer computes at full resolution. A triplet of
128 pixels takes 4 s of one core forward; a training step takes 1.4 GiB for each triplet of 64 pixels, four times that
at 128. `stream_width` makes it smaller: at 0.2 a training step of 128 pixels takes 1.2 s and 1 GiB a triplet.
"""

import keras
from keras import layers

from spine_tf.config import VIEWS
from spine_tf.models.attention_linknet import triplet_inputs, triplet_model
from spine_tf.models.layers import FusedBatchNormalization

FILTERS = (25, 25, 25, 50, 50, 50, 75, 75, 75)
"""Filters of the 3 x 3 convolutions of each stream."""
HEAD_FILTERS = (400, 200, 150)
"""Filters of the 1 x 1 convolutions that read all streams ("fully connected" there)."""
HEAD_DROPOUT, LAST_DROPOUT = 0.25, 0.5
PRELU_SLOPE = 0.01


def scaled(filters: tuple[int, ...], width: float) -> tuple[int, ...]:
    """Multiply filters by a width and round, to at least one each."""
    return tuple(max(1, round(width * n)) for n in filters)


def _layer(x, filters: int, kernel: int, name: str, dropout: float = 0.0, last: bool = False):
    """Normalise, rectify, drop, convolve, in this order; the last one is not rectified but has a bias."""
    x = FusedBatchNormalization(name=f"{name}_bn")(x)
    if not last:
        slope = keras.initializers.Constant(PRELU_SLOPE)
        x = layers.PReLU(alpha_initializer=slope, shared_axes=[1, 2], name=f"{name}_prelu")(x)
    if dropout:
        x = layers.Dropout(dropout, name=f"{name}_drop")(x)
    return layers.Conv2D(
        filters, kernel, padding="same", use_bias=last, kernel_initializer="he_normal", name=f"{name}_conv"
    )(x)


def build_hyperdensenet(image_size: int, stream_width: float = 1.0, norm_momentum: float = 0.99) -> keras.Model:
    """Build the network, as one flat functional model with fresh weights.

    Layer l of a stream reads 3 * (sum of FILTERS before l) channels: what the layer before it read, then that layer's
    output, then the outputs of the same layer in the other streams, in the order of `VIEWS`. The head reads what a
    tenth layer of each stream would read, side by side: 4050 channels.

    Args:
        image_size: side S of the slices in pixels, a multiple of 32 as for the other networks.
        stream_width: filters of every layer as a share of the original's, above 0.
        norm_momentum: momentum of every batch normalisation's moving statistics, in (0, 1).

    Returns:
        A model with inputs and output as `build_attention_linknet`.

    Raises:
        ValueError: a size that is no multiple of 32.

    Example:
        >>> model = build_hyperdensenet(32, stream_width=0.04)
        >>> model.get_layer("head_streams").output.shape  # 3 streams, each 3 * (1 + 1 + 1 + 2 + 2 + 2 + 3 + 3 + 3)
        (None, 32, 32, 162)
    """
    inputs = triplet_inputs(image_size)
    read = dict(zip(VIEWS, inputs, strict=True))
    for number, filters in enumerate(scaled(FILTERS, stream_width), start=1):
        made = {view: _layer(read[view], filters, 3, f"{view}_layer{number}") for view in VIEWS}
        for view in VIEWS:
            before = [read[view]] if number > 1 else []
            others = [made[other] for other in VIEWS if other != view]
            read[view] = layers.Concatenate(name=f"{view}_layer{number}_all")([*before, made[view], *others])
    x = layers.Concatenate(name="head_streams")(list(read.values()))  # (batch, S, S, 4050)
    for number, filters in enumerate(scaled(HEAD_FILTERS, stream_width), start=1):
        x = _layer(x, filters, 1, f"head_layer{number}", HEAD_DROPOUT)
    logits = _layer(x, len(VIEWS), 1, "head", LAST_DROPOUT, last=True)
    return triplet_model(inputs, logits, "hyperdensenet", norm_momentum)
