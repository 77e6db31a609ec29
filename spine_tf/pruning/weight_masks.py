"""Zeroed groups in a model's weights: setting them, finding them again, keeping them.

Source: paper, Step 3: "The weights and biases of the selected filters are set to zero". Here also what would speak in
their place: gamma and beta of the batch normalisation behind them, depthwise kernels, and the moving mean where there
is no gamma.
"""

from collections.abc import Iterable

import keras
import numpy as np
import tensorflow as tf

from spine_tf.pruning.channels import Slice
from spine_tf.pruning.groups import Structure


def zero_groups(structure: Structure, removed: Iterable[int]) -> None:
    """Set everything of these groups (numbers) to zero in the model that the structure was read from."""
    gone = _gone(structure, removed)
    for part in structure.slices:
        if part.zeroed and gone[part.channels].any():
            variable = getattr(part.layer, part.weight)
            variable.assign(np.where(_along(part, gone[part.channels]), 0, np.asarray(variable)))


def zeroed_groups(structure: Structure) -> list[int]:
    """The groups (numbers) of which nothing but zeros is left in the model's weights."""
    alive = np.zeros(len(structure.groups) + 1, bool)
    for part in structure.slices:
        if part.zeroed:
            others = tuple(axis for axis in range(len(getattr(part.layer, part.weight).shape)) if axis != part.axis)
            alive[part.channels[np.any(np.asarray(getattr(part.layer, part.weight)) != 0, axis=others)]] = True
    return np.flatnonzero(~alive[:-1]).tolist()


class Masks:
    """Keeps zeroed groups at zero while a model trains; one graph call a batch.

    Args:
        structure: of the model that trains.
    """

    def __init__(self, structure: Structure):
        self._structure = structure
        self._parts = [part for part in structure.slices if part.zeroed and (part.channels >= 0).any()]
        self._variables = [getattr(part.layer, part.weight) for part in self._parts]
        self._gone: list[tf.Tensor] = []

        @tf.function(jit_compile=False)
        def clear(gone):
            for variable, where in zip(self._variables, gone, strict=True):
                # Not a product: a weight that has run to infinity times zero is not zero.
                variable.assign(tf.where(where, tf.zeros((), variable.dtype), variable.value))

        self._clear = clear

    def set(self, removed: Iterable[int]) -> None:
        """From now on these groups (numbers) are kept at zero; sets them to zero at once."""
        gone = _gone(self._structure, removed)
        self._gone = [tf.constant(_along(part, gone[part.channels])) for part in self._parts] if gone.any() else []
        self.apply()

    def apply(self) -> None:
        """Set the weights of the groups to zero again, after an update."""
        if self._gone:
            self._clear(self._gone)

    def clear_slots(self, optimizer: keras.optimizers.Optimizer) -> None:
        """Set what the optimizer remembers of these weights to zero: momentum, variance, and averaged weights, which
        it may put in the place of the weights when training ends."""
        if not self._gone:
            return
        # Keras names a slot after its variable: "conv_kernel_momentum".
        masked = {
            variable.path.replace("/", "_"): where for variable, where in zip(self._variables, self._gone, strict=True)
        }
        shapes = {variable.path.replace("/", "_"): variable.shape for variable in self._variables}
        for slot in optimizer.variables:
            ends = [end for end, letter in enumerate(slot.name) if letter == "_" and slot.name[:end] in masked]
            if ends and shapes[slot.name[: ends[-1]]] == slot.shape:
                slot.assign(tf.where(masked[slot.name[: ends[-1]]], tf.zeros((), slot.dtype), slot.value))


def _gone(structure: Structure, removed: Iterable[int]) -> np.ndarray:
    """(groups + 1,) bool; the last one stands for channels without group."""
    gone = np.zeros(len(structure.groups) + 1, bool)
    gone[list(removed)] = True
    return gone


def _along(part: Slice, values: np.ndarray) -> np.ndarray:
    """(size of the axis,) -> the same along the slice's axis, so that it spreads over the weight."""
    rank = len(getattr(part.layer, part.weight).shape)
    return values.reshape([-1 if axis == part.axis else 1 for axis in range(rank)])
