import keras
import tensorflow as tf
from keras import ops


@keras.saving.register_keras_serializable(package="spine_tf")
class FusedAdamax(keras.optimizers.Adamax):
    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        scalars = {
            "lr": learning_rate,
            "beta1_power": ops.power(self.beta_1, ops.cast(self.iterations + 1, "float32")),
            "beta1": tf.constant(self.beta_1, "float32"),
            "beta2": tf.constant(self.beta_2, "float32"),
            "epsilon": tf.constant(self.epsilon, "float32"),
        }
        super()._backend_update_step(grads, trainable_variables, scalars)

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        tf.raw_ops.ResourceApplyAdaMax(
            var=variable.handle,
            m=self._m[index].value.handle,
            v=self._u[index].value.handle,
            grad=tf.cast(gradient, variable.dtype),
            **learning_rate,
        )
