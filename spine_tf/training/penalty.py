"""Adds a penalty on the weights to the loss: lambda R(W).

Source: paper, "Step 4: Fine-tune the pruned network": the loss "may include a regularization term to prevent
overfitting". The paper leaves open which one.
"""

from typing import NamedTuple

import keras

KINDS = {"l2": keras.regularizers.L2, "l1": keras.regularizers.L1}
"""Name -> lambda -> callable: weights -> lambda * the sum of their squares, or of their absolute values."""


class Penalty(NamedTuple):
    """lambda R(W), R a row of `KINDS`."""

    kind: str = "l2"
    weight: float = 1e-4


def penalise(model: keras.Model, penalty: Penalty | None) -> None:
    """Add the penalty of the model's convolution kernels to its loss, in place of any other; None: no penalty.

    Kernels are those of convolutions, plain, transposed or depthwise; not those of dense layers, biases and batch
    normalisation. To be called before the model trains. It is no part of what is saved: a checkpoint is penalised
    again when it is loaded, and a model to predict with is as plain as any other.

    Raises:
        ValueError: an unknown kind, or a weight that is not positive.
    """
    regularizer = None
    if penalty is not None:
        if penalty.kind not in KINDS:
            raise ValueError(f"kind must be one of {sorted(KINDS)}. Received: {penalty.kind!r}")
        if not penalty.weight > 0:
            raise ValueError(f"weight must be positive. Received: {penalty.weight!r}")
        regularizer = KINDS[penalty.kind](penalty.weight)
    for kernel in convolution_kernels(model):
        kernel.regularizer = regularizer


def convolution_kernels(model: keras.Model) -> list[keras.Variable]:
    """List the trainable kernels of a model's convolutions; a dense layer's kernel has two axes only."""
    return [v for v in model.trainable_variables if v.name.endswith("kernel") and len(v.shape) > 2]
