"""Batch normalisation as one kernel."""

import keras
import tensorflow as tf

FUSED_DTYPES = ("float16", "bfloat16", "float32")


@keras.saving.register_keras_serializable(package="spine_tf")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization` of maps (batch, H, W, C), computed by TensorFlow's fused kernel.

    Keras 3 computes moments, scaling and moving averages in some sixty operations, gradients included: a third of the
    training graph of preset `small`. Arguments, weights and outputs are those of Keras; only the moving variance gets
    the unbiased estimate of the batch, n / (n - 1) times Keras 3's. With `synchronized` it computes as Keras does, with
    one sum over the replicas in place of Keras' three; their batches must be equally large.

    Source: Ioffe and Szegedy, "Batch Normalization", ICML 2015.
    """

    def call(self, inputs, training=None, mask=None):
        last_axis = self.axis in (-1, len(inputs.shape) - 1)
        fusible = len(inputs.shape) == 4 and last_axis and inputs.dtype in FUSED_DTYPES
        if not fusible or mask is not None or self.renorm or self.synchronized:
            return super().call(inputs, training=training, mask=mask)
        learning = bool(training) and self.trainable
        ones, zeros = tf.ones_like, tf.zeros_like
        moving_mean, moving_variance = self.moving_mean.value, self.moving_variance.value
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs,
            scale=self.gamma.value if self.scale else ones(moving_mean),
            offset=self.beta.value if self.center else zeros(moving_mean),
            mean=moving_mean,
            variance=moving_variance,
            epsilon=self.epsilon,
            is_training=learning,
            exponential_avg_factor=1.0 - self.momentum if learning else 1.0,
        )
        if learning:
            self.moving_mean.assign(mean)
            self.moving_variance.assign(variance)
        return tf.cast(outputs, self.compute_dtype)

    def _moments(self, inputs, mask):
        context = tf.distribute.get_replica_context()
        if not self.synchronized or mask is not None or context is None:
            return super()._moments(inputs, mask)
        axes = self._reduction_axes
        own = tf.stack([tf.reduce_mean(inputs, axes), tf.reduce_mean(tf.square(inputs), axes)])
        mean, mean_of_squares = tf.unstack(context.all_reduce(tf.distribute.ReduceOp.MEAN, own))
        return mean, tf.maximum(mean_of_squares - tf.square(mean), 0.0)


def synchronize_normalization(model: keras.Model, on: bool) -> None:
    """Have every batch normalisation take its statistics over the batches of all replicas, or of its own alone."""
    for layer in model._flatten_layers(include_self=False):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = on
