"""Updates each variable with one kernel: Adamax and Adam.

Keras writes an update as dozens of small operations. For the hundreds of variables of this network these are most of
the training graph, and tracing and optimising that graph is most of the time to the first finished step. TensorFlow
has kernels for the same formulas; settings, state and files stay those of the Keras classes.
"""

import keras
import tensorflow as tf
from keras import ops


class _Fused(keras.optimizers.Optimizer):
    """Hands `update_step` what `_scalars` makes, a dict of the kernel's arguments, in place of the learning rate.

    Gradients are accumulated as they come. Keras hands all of them to both sides of a condition, so that they and their
    means are in memory together: 21 GiB and more for preset `paper`, where the step without accumulation needs 11.
    """

    def _power(self, base: float):
        """`base` to the number of the step being taken, which is 1 at first."""
        return ops.power(ops.cast(base, "float32"), ops.cast(self.iterations + 1, "float32"))

    def _scalars(self, learning_rate) -> dict:
        return {
            "lr": ops.cast(learning_rate, "float32"),
            "beta1": ops.cast(self.beta_1, "float32"),
            "beta2": ops.cast(self.beta_2, "float32"),
            "epsilon": ops.cast(self.epsilon, "float32"),
            "beta1_power": self._power(self.beta_1),
        }

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        # Scalars are made here, once a step; in update_step they would be made again for every variable.
        super()._backend_update_step(grads, trainable_variables, self._scalars(learning_rate))

    def _backend_apply_gradients(self, grads, trainable_variables):
        count = self.gradient_accumulation_steps
        if not count or self.use_ema or tf.distribute.has_strategy():
            super()._backend_apply_gradients(grads, trainable_variables)
            return
        sums = [self._accumulated_gradients[self._get_variable_index(v)] for v in trainable_variables]
        for total, gradient in zip(sums, grads, strict=True):
            total.value.assign_add(tf.cast(gradient, total.dtype) / count)

        def update():
            means = self._clip_gradients([total.value.read_value() for total in sums])
            self._apply_weight_decay(trainable_variables)
            self._backend_update_step(means, trainable_variables, self.learning_rate)
            self._backend_reset_gradient_accumulators()
            return True

        tf.cond((self._iterations.value + 1) % count == 0, update, lambda: False)


@keras.saving.register_keras_serializable(package="spine_tf")
class FusedAdamax(_Fused, keras.optimizers.Adamax):
    """`keras.optimizers.Adamax`, one kernel a variable; arguments and state as there. Variables must be float32.

    Source: Kingma and Ba, "Adam", ICLR 2015, section 7.1.
    """

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        tf.raw_ops.ResourceApplyAdaMax(
            var=variable.handle,
            m=self._m[index].value.handle,
            v=self._u[index].value.handle,
            grad=tf.cast(gradient, variable.dtype),
            **learning_rate,
        )


@keras.saving.register_keras_serializable(package="spine_tf")
class FusedAdam(_Fused, keras.optimizers.Adam):
    """`keras.optimizers.Adam` without AMSGrad, one kernel a variable; arguments and state as there, variables float32.

    Source: Kingma and Ba, "Adam", ICLR 2015, algorithm 1.

    Raises:
        ValueError: amsgrad.
    """

    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7, amsgrad=False, **kwargs):
        if amsgrad:
            raise ValueError("amsgrad must be False, the kernel has no such state. Received: amsgrad=True")
        super().__init__(learning_rate=learning_rate, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon, **kwargs)

    def _scalars(self, learning_rate):
        return super()._scalars(learning_rate) | {"beta2_power": self._power(self.beta_2)}

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            grad=tf.cast(gradient, variable.dtype),
            **learning_rate,
        )


OPTIMIZERS = {"adamax": FusedAdamax, "adam": FusedAdam, "rmsprop": keras.optimizers.RMSprop}
"""The choices of `TrainConfig.optimizer` (paper, Table 5). RMSprop's kernel needs a state that Keras does not keep."""
