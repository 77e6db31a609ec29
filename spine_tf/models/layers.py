"""Implements batch normalisation, swish and gating so that a training step keeps fewer maps in memory.

Outputs are those of Keras' own layers; what differs is what they leave in memory for the backward pass.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar

import keras
import numpy as np
import tensorflow as tf

FUSED_DTYPES = ("float16", "bfloat16", "float32")
"""Types of maps that TensorFlow's fused kernel takes."""

_only_served = ContextVar("only_served", default=False)
_scoring = ContextVar("scoring", default=False)


def only_served() -> AbstractContextManager[None]:
    """Leave out the gradients defined here while networks are traced for a SavedModel or a LiteRT file.

    TensorFlow writes the graph of every such gradient into a SavedModel, which took half of a conversion of `paper`.
    Never to be used around training.
    """
    return _switched_on(_only_served)


def scoring() -> AbstractContextManager[None]:
    """Normalise in inference mode by plain operations: on a GPU the fused one has no deterministic gradient there."""
    return _switched_on(_scoring)


def is_only_served() -> bool:
    """Tell whether `only_served` is on."""
    return _only_served.get()


@contextmanager
def _switched_on(switch: ContextVar[bool]) -> Iterator[None]:
    token = switch.set(True)
    try:
        yield
    finally:
        switch.reset(token)


@keras.saving.register_keras_serializable(package="spine_tf")
def swish(x):
    """Compute x * sigmoid(x) of a tensor of any shape, by Keras' function, which keeps one map less for the gradient.

    Within `only_served` it is computed from its parts. Source: Ramachandran et al., "Searching for Activation
    Functions", 2017.
    """
    return x * tf.sigmoid(x) if is_only_served() else keras.activations.silu(x)


@keras.saving.register_keras_serializable(package="spine_tf")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Normalises maps (batch, H, W, C) as `keras.layers.BatchNormalization`, by TensorFlow's fused kernel.

    Keras 3 computes moments, scaling and moving averages in some sixty operations, gradients included: a third of the
    training graph of preset `small`. Arguments, weights and outputs are those of Keras. Only the moving variance gets
    the unbiased estimate of the batch, n / (n - 1) times Keras 3's.

    With `synchronized` it computes as Keras does, but adds up once over the replicas, whose batches must be equal.

    Source: Ioffe and Szegedy, "Batch Normalization", ICML 2015.
    """

    merged = False
    """Whether only the offset is left to add (`merge_into`)."""

    def merge_into(self, kernel: keras.Variable, axis: int) -> None:
        """Move the scale into the kernel of the convolution that feeds this layer and no other.

        For inference. Gamma and the moving statistics become those of the identity, beta becomes the offset, and the
        layer cannot be trained any more. A model that is saved and loaded after that gives the same, but for rounding.

        Args:
            kernel: kernel of a convolution of maps (batch, H, W, C) without bias and activation.
            axis: axis of the kernel that counts filters, of length C.
        """
        scale = self.gamma / np.sqrt(self.moving_variance + self.epsilon)  # (C,)
        axes = [1] * len(kernel.shape)
        axes[axis] = -1
        kernel.assign(kernel * np.reshape(scale, axes))
        self.beta.assign(self.beta - self.moving_mean * scale)
        self.gamma.assign(np.ones_like(scale))
        self.moving_mean.assign(np.zeros_like(scale))
        self.moving_variance.assign(np.full_like(scale, 1 - self.epsilon))
        self.merged, self.trainable = True, False

    def call(self, inputs, training=None, mask=None):
        if self.merged:
            return tf.nn.bias_add(inputs, tf.cast(self.beta.value, inputs.dtype))
        learning = bool(training) and self.trainable
        if not self._fusible(inputs, mask) or (_scoring.get() and not learning):
            return super().call(inputs, training=training, mask=mask)
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs,
            *self._affine(),
            mean=self.moving_mean.value,
            variance=self.moving_variance.value,
            epsilon=self.epsilon,
            is_training=learning,
            exponential_avg_factor=1.0 - self.momentum if learning else 1.0,
        )
        if learning:
            self.moving_mean.assign(mean)
            self.moving_variance.assign(variance)
        return tf.cast(outputs, self.compute_dtype)

    def _fusible(self, inputs, mask) -> bool:
        """Tell whether the fused kernel can compute this."""
        last_axis = self.axis in (-1, len(inputs.shape) - 1)
        fits = len(inputs.shape) == 4 and last_axis and inputs.dtype in FUSED_DTYPES
        return fits and mask is None and not self.renorm and not self.synchronized

    def _affine(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Give scale and offset, (C,) each."""
        scale = self.gamma.value if self.scale else tf.ones_like(self.moving_mean.value)
        offset = self.beta.value if self.center else tf.zeros_like(self.moving_mean.value)
        return tf.convert_to_tensor(scale), tf.convert_to_tensor(offset)

    def _moments(self, inputs, mask):
        context = tf.distribute.get_replica_context()
        if not self.synchronized or mask is not None or context is None:
            return super()._moments(inputs, mask)
        axes = self._reduction_axes
        own = tf.stack([tf.reduce_mean(inputs, axes), tf.reduce_mean(tf.square(inputs), axes)])
        mean, mean_of_squares = tf.unstack(context.all_reduce(tf.distribute.ReduceOp.MEAN, own))
        return mean, tf.maximum(mean_of_squares - tf.square(mean), 0.0)


@keras.saving.register_keras_serializable(package="spine_tf")
class NormalizedSwish(FusedBatchNormalization):
    """Normalises as `FusedBatchNormalization`, then applies swish; the backward pass computes the map in between again.

    As two layers they would keep three maps: the input, the normalised one, and the output, which the next convolution
    needs. The one in the middle costs one pass over the input, and the wide maps of EfficientNet are most of what a
    training step holds. Outputs and gradients are those of the two layers. XLA decides by itself what it keeps; with
    `synchronized`, all three are kept.

    Source: Ramachandran et al., "Searching for Activation Functions", 2017; memory as in Rota Bulò et al., "In-Place
    Activated BatchNorm", CVPR 2018.
    """

    activation = staticmethod(swish)
    """Named as in Keras' layers; drawings of networks read it."""

    def call(self, inputs, training=None, mask=None):
        if not (training and self.trainable and self._fusible(inputs, mask)):
            return self.activation(super().call(inputs, training=training, mask=mask))
        kernel = {"epsilon": self.epsilon, "is_training": True}

        @tf.custom_gradient
        def normalized_swish(x, scale, offset, mean, variance):
            y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
                x=x,
                scale=scale,
                offset=offset,
                mean=mean,
                variance=variance,
                exponential_avg_factor=1.0 - self.momentum,
                **kernel,
            )

            def gradient(upstream, *_):
                # Without the dependency the map would be made at once, in the forward pass, and kept from there on.
                nothing = tf.zeros(0)
                with tf.control_dependencies([upstream]):
                    y, _, _, *saved = tf.raw_ops.FusedBatchNormV3(
                        x=x, scale=scale, offset=offset, mean=nothing, variance=nothing, **kernel
                    )
                sigmoid = tf.sigmoid(y)
                places = ("reserve_space_1", "reserve_space_2", "reserve_space_3")
                grads = tf.raw_ops.FusedBatchNormGradV3(
                    y_backprop=upstream * sigmoid * (1 + y * (1 - sigmoid)),
                    x=x,
                    scale=scale,
                    **dict(zip(places, saved, strict=True)),
                    **kernel,
                )
                return *grads[:3], None, None

            return (y * tf.sigmoid(y), mean, variance), gradient

        outputs, mean, variance = normalized_swish(
            inputs,
            *self._affine(),
            tf.convert_to_tensor(self.moving_mean.value),
            tf.convert_to_tensor(self.moving_variance.value),
        )
        self.moving_mean.assign(mean)
        self.moving_variance.assign(variance)
        return tf.cast(outputs, self.compute_dtype)


@keras.saving.register_keras_serializable(package="spine_tf")
class Excite(keras.layers.Multiply):
    """Multiplies maps (batch, H, W, C) by weights (batch, 1, 1, C) and keeps only the product for the gradient.

    The gradient of the weights is a sum over the maps. These are the product divided by the weights, and the next
    convolution keeps the product anyway. Weights of zero get no gradient: they come from a sigmoid, which lets none
    through there.

    Raises:
        ValueError: other inputs than such a pair.
    """

    def build(self, input_shape):
        super().build(input_shape)
        maps, *weights = (tuple(shape) for shape in input_shape)
        if len(maps) != 4 or len(weights) != 1 or weights[0][1:] != (1, 1, maps[-1]):
            expected = "a pair of maps (batch, H, W, C) and weights (batch, 1, 1, C)"
            raise ValueError(f"inputs must be {expected}. Received: shapes {[maps, *weights]}")

    def _merge_function(self, inputs):
        if is_only_served():
            return super()._merge_function(inputs)

        @tf.custom_gradient
        def excite(x, weights):
            product = x * weights

            def gradient(upstream):
                over_places = tf.reduce_sum(upstream * product, (1, 2), keepdims=True)  # (batch, 1, 1, C)
                return upstream * weights, tf.math.divide_no_nan(over_places, weights)

            return product, gradient

        return excite(*inputs)


def bilinear_enlarging(factor: int | tuple[int, int], name: str) -> keras.layers.UpSampling2D:
    """Make the layer that enlarges maps (batch, H, W, C) bilinearly, in float32 whatever the network computes in.

    So does TensorFlow's kernel. XLA's gradient of it in float16 or bfloat16 does not compile, or is 60,000.
    """
    return keras.layers.UpSampling2D(factor, interpolation="bilinear", dtype="float32", name=name)
