"""Optimisers whose update of a variable is one kernel.

Keras writes an update as some sixty small operations, which for the hundreds of variables of this network means tens
of thousands of graph nodes: most of the time to the first training step goes into tracing and optimising them. The
kernels below are TensorFlow's own for the same formulas; state, settings and files are those of Keras.
"""

import keras
import tensorflow as tf
from keras import ops


def _power(base: float, optimizer: keras.optimizers.Optimizer, dtype: str):
    """`base` to the number of the step being taken, 1 at first."""
    return ops.power(ops.cast(base, dtype), ops.cast(optimizer.iterations + 1, dtype))


@keras.saving.register_keras_serializable(package="spine_tf")
class FusedAdamax(keras.optimizers.Adamax):
    """`keras.optimizers.Adamax`, one kernel a variable. Source: Kingma and Ba, "Adam", 2014, section 7.1."""

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        dtype = variable.dtype
        tf.raw_ops.ResourceApplyAdaMax(
            var=variable.handle,
            m=self._m[index].value.handle,
            v=self._u[index].value.handle,
            beta1_power=_power(self.beta_1, self, dtype),
            lr=ops.cast(learning_rate, dtype),
            beta1=ops.cast(self.beta_1, dtype),
            beta2=ops.cast(self.beta_2, dtype),
            epsilon=ops.cast(self.epsilon, dtype),
            grad=ops.cast(gradient, dtype),
        )
