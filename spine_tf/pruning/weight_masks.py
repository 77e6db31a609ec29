"""Zeroes groups in a model's weights, finds zeroed ones again, and keeps them at zero in training.

Source: paper, Step 3: "The weights and biases of the selected filters are set to zero". Other weights that would give
their channels a value are set to zero with them: gamma and beta of the batch normalisation behind them, depthwise
kernels, and the moving mean where there is no gamma.
"""

from collections.abc import Iterable

import keras
import numpy as np
import tensorflow as tf

from spine_tf.pruning.groups import Structure


def zero_groups(structure: Structure, removed: Iterable[int]) -> None:
    """Set all weights of these groups (numbers) to zero, in the model that the structure was read from."""
    gone = structure.chosen(removed)
    for part in structure.slices:
        if part.zeroed and gone[part.channels].any():
            part.variable.assign(np.where(part.along_axis(gone[part.channels]), 0, np.asarray(part.variable)))


def zeroed_groups(structure: Structure) -> list[int]:
    """Find the groups (numbers) whose weights are all zero in the model that the structure was read from."""
    alive = np.zeros(len(structure.groups) + 1, bool)
    for part in structure.slices:
        if part.zeroed:
            others = tuple(axis for axis in range(len(part.variable.shape)) if axis != part.axis)
            alive[part.channels[np.any(np.asarray(part.variable) != 0, axis=others)]] = True
    return np.flatnonzero(~alive[:-1]).tolist()


class Masks:
    """Keeps zeroed groups at zero while a model trains; one graph call a batch.

    Args:
        structure: of the model that trains.
    """

    def __init__(self, structure: Structure):
        self._structure = structure
        self._parts = [part for part in structure.slices if part.zeroed and (part.channels >= 0).any()]
        self._variables = [part.variable for part in self._parts]
        self._gone: list[tf.Tensor] = []

        @tf.function(jit_compile=False)
        def clear(gone):
            for variable, where in zip(self._variables, gone, strict=True):
                # Not a product: a weight that has run to infinity times zero is not zero.
                variable.assign(tf.where(where, tf.zeros((), variable.dtype), variable.value))

        self._clear = clear

    def set(self, removed: Iterable[int]) -> None:
        """Set these groups (numbers) to zero, and keep them there from now on instead of earlier ones."""
        gone = self._structure.chosen(removed)
        parts = self._parts if gone.any() else []
        self._gone = [tf.constant(part.along_axis(gone[part.channels])) for part in parts]
        self.apply()

    def apply(self) -> None:
        """Set the weights of the groups to zero again, after an update."""
        if self._gone:
            self._clear(self._gone)

    def clear_slots(self, optimizer: keras.optimizers.Optimizer) -> None:
        """Set the optimizer's variables of these weights to zero: momentum, variance, and averaged weights.

        Averaged weights may replace the weights when training ends.
        """
        if not self._gone:
            return
        # Keras names a slot after its variable: "conv_kernel_momentum".
        pairs = zip(self._variables, self._gone, strict=True)
        masked = {variable.path.replace("/", "_"): (variable.shape, where) for variable, where in pairs}
        for slot in optimizer.variables:
            ends = [end for end, letter in enumerate(slot.name) if letter == "_" and slot.name[:end] in masked]
            shape, where = masked[slot.name[: ends[-1]]] if ends else (None, None)
            if slot.shape == shape:
                slot.assign(tf.where(where, tf.zeros((), slot.dtype), slot.value))
