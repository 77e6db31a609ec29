"""Builds attention modules, which refine a feature map in line: same shape in and out.

Source: paper, "Proposed LinkNet-152 model for spine segmentation": "each of the first four blocks of EfficientNetB7 is
followed by an attention module". It does not say which module; `ATTENTION` holds the choices.
"""

import keras
import tensorflow as tf
from keras import layers

from spine_tf.models.layers import is_only_served

REDUCTION = 16
"""Squeeze of the channel bottleneck (Woo et al. 2018 and Hu et al. 2018 both use 16)."""
MIN_BOTTLENECK = 4
"""Narrowest bottleneck: the early maps have few channels and would be squeezed to one or two."""


def largest(x, axis: int):
    """Take the maximum over an axis, which is kept; values that share it also share its gradient.

    TensorFlow's gradient looks for the values that equal the maximum and divides by their number. XLA may compute the
    values twice, with other roundings: then none is equal, and the gradient is NaN. Here the largest one gets it then.
    """
    if is_only_served():
        return keras.ops.max(x, axis=axis, keepdims=True)

    @tf.custom_gradient
    def maximum(x):
        y = tf.reduce_max(x, axis, keepdims=True)

        def gradient(upstream):
            equal = tf.cast(tf.equal(x, y), x.dtype)
            count = tf.reduce_sum(equal, axis, keepdims=True)
            first = tf.one_hot(tf.argmax(x, axis), x.shape[axis], axis=axis, dtype=x.dtype)
            return upstream * tf.where(count > 0, equal / tf.maximum(count, 1), first)

        return y, gradient

    return maximum(x)


@keras.saving.register_keras_serializable(package="spine_tf")
class GlobalMaximum(layers.GlobalMaxPooling2D):
    """Takes the maximum over all places as `keras.layers.GlobalMaxPooling2D`, with the gradient of `largest`."""

    def call(self, inputs):
        height, width, channels = inputs.shape[1:]
        places = keras.ops.reshape(inputs, (-1, height * width, channels))
        shape = (-1, 1, 1, channels) if self.keepdims else (-1, channels)
        return keras.ops.reshape(largest(places, axis=1), shape)


@keras.saving.register_keras_serializable(package="spine_tf")
class ChannelPool(layers.Layer):
    """Takes mean and maximum over the channels: (batch, H, W, C) -> (batch, H, W, 2), of the layer's compute dtype.

    Source: Woo et al., "CBAM", ECCV 2018, equation 3.

    Args:
        zeros: number of further channels that are zero and that the map no longer has. Both statistics are taken as if
            it had them: they were part of them before pruning removed them.
    """

    def __init__(self, zeros: int = 0, **kwargs):
        super().__init__(**kwargs)
        self.zeros = zeros

    def call(self, inputs):
        channels = inputs.shape[-1]
        mean = keras.ops.mean(inputs, axis=-1, keepdims=True)
        maximum = largest(inputs, axis=-1)
        if self.zeros:
            mean, maximum = mean * (channels / (channels + self.zeros)), keras.ops.relu(maximum)
        return keras.ops.concatenate([mean, maximum], axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 2)

    def get_config(self):
        return super().get_config() | {"zeros": self.zeros}


def bottleneck_filters(channels: int) -> int:
    """Count the channels of the squeezed representation: channels / 16, at least 4, never more than there are."""
    return min(channels, max(MIN_BOTTLENECK, channels // REDUCTION))


def _reduce(x, name: str):
    """Squeeze the channels by a 1x1 convolution with ReLU."""
    filters = bottleneck_filters(x.shape[-1])
    return layers.Conv2D(filters, 1, activation="relu", kernel_initializer="he_normal", name=name)(x)


def cbam(x, name: str):
    """Apply a Convolutional Block Attention Module: channel attention, then spatial attention.

    Source: Woo et al., "CBAM", ECCV 2018, equations 2 and 3. The averaged and the maximal descriptor pass the shared
    two-layer perceptron as two rows of one map, so that every layer of the graph is called once.

    Args:
        x: Keras tensor (batch, H, W, C).
        name: name of the module's last layer, and the beginning of its other layers' names.

    Returns:
        The refined Keras tensor (batch, H, W, C).
    """
    channels = x.shape[-1]
    average = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_channel_avg")(x)
    maximum = GlobalMaximum(keepdims=True, name=f"{name}_channel_max")(x)
    pair = layers.Concatenate(axis=1, name=f"{name}_channel_pair")([average, maximum])  # (batch, 2, 1, C)
    pair = _reduce(pair, f"{name}_channel_reduce")
    pair = layers.Conv2D(channels, 1, name=f"{name}_channel_expand")(pair)
    # The sum of the two rows, as in equation 2, is twice their mean.
    mean = layers.AveragePooling2D((2, 1), name=f"{name}_channel_mean")(pair)  # (batch, 1, 1, C)
    total = layers.Rescaling(2.0, name=f"{name}_channel_sum")(mean)
    weights = layers.Activation("sigmoid", name=f"{name}_channel_weights")(total)
    x = layers.Multiply(name=f"{name}_channel")([x, weights])

    pooled = ChannelPool(name=f"{name}_spatial_pool")(x)  # (batch, H, W, 2)
    weights = layers.Conv2D(1, 7, padding="same", activation="sigmoid", name=f"{name}_spatial_conv")(pooled)
    return layers.Multiply(name=name)([x, weights])


def squeeze_excite(x, name: str):
    """Apply squeeze-and-excitation: channel attention from the averaged descriptor alone.

    Source: Hu et al., "Squeeze-and-Excitation Networks", CVPR 2018, equations 2 to 4. Arguments and result as `cbam`.
    """
    channels = x.shape[-1]
    squeezed = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_squeeze")(x)  # (batch, 1, 1, C)
    squeezed = _reduce(squeezed, f"{name}_reduce")
    weights = layers.Conv2D(channels, 1, activation="sigmoid", name=f"{name}_expand")(squeezed)
    return layers.Multiply(name=name)([x, weights])


def no_attention(x, name: str):
    """Return the map as it is; `name` is not used."""
    return x


ATTENTION = {"cbam": cbam, "se": squeeze_excite, "none": no_attention}
"""Kind of attention -> the function that applies it, of the signature of `cbam`."""
