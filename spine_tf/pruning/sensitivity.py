"""Scores filters by how much each one matters. A new criterion is one function here.

Every criterion has the signature `(model, calibration, seed) -> {layer: (filters,) float64}`, higher is more
important; layers are named as in `groups.Structure.filters`.

Source: paper, "Step 2: compute gradient sensitivity": S(F) = 1/|F| * sum over w in F of |dL/dw|. Taylor: Molchanov et
al., "Importance estimation for neural network pruning", CVPR 2019. Magnitude: Li et al., "Pruning filters for
efficient ConvNets", ICLR 2017.
"""

from collections.abc import Callable, Iterable

import keras
import numpy as np
import tensorflow as tf

from spine_tf.models.layers import scoring
from spine_tf.pruning.groups import Structure, find_groups
from spine_tf.support.progress import progress_bar


def gradient_sensitivity(model: keras.Model, calibration: Iterable, seed: int = 0) -> dict[str, np.ndarray]:
    """Score filters by S(F) = 1/|F| * sum over w in F of |dL/dw|, the mean over batches of each batch's S.

    The absolute value is taken of each batch's gradient, before the mean over batches: near a minimum the gradients of
    the batches cancel each other. L is the loss that the model was compiled with, penalties included. Batch
    normalisation and dropout are in inference mode. The weights of F are those of its kernel, without the bias. Memory
    does not grow with the number of batches.

    Source: paper, "Step 2: compute gradient sensitivity".

    Args:
        model: functional, compiled with a loss.
        calibration: finite; batches (x, y) or (x, y, sample_weight), as `fit` takes them.
        seed: not used.

    Returns:
        Layer -> (filters,) float64, not negative.

    Raises:
        ValueError: a model without loss, calibration data that are empty or endless.

    Example:
        >>> dense = keras.layers.Dense(2, use_bias=False, kernel_initializer="zeros", name="dense")
        >>> model = keras.Sequential([keras.Input((1,)), dense])
        >>> model.compile(loss="mae", jit_compile=False)  # the mean over 2 outputs: each gradient is -1 / 2
        >>> gradient_sensitivity(model, [(np.float32([[1.0]]), np.float32([[1.0, 1.0]]))])
        {'dense': array([0.5, 0.5])}
    """
    return _mean_over_batches(model, calibration, lambda weight, gradient: tf.abs(gradient))


def taylor_importance(model: keras.Model, calibration: Iterable, seed: int = 0) -> dict[str, np.ndarray]:
    """Score filters by 1/|F| * sum over w in F of |w dL/dw|; all else as `gradient_sensitivity`."""
    return _mean_over_batches(model, calibration, lambda weight, gradient: tf.abs(weight * gradient))


def weight_magnitude(model: keras.Model, calibration: Iterable | None = None, seed: int = 0) -> dict[str, np.ndarray]:
    """Score filters by 1/|F| * sum over w in F of |w|; neither calibration nor seed is used."""
    structure = find_groups(model)
    return {path: _per_filter(np.abs(np.asarray(kernel)), axes) for path, kernel, axes in _kernels(structure)}


def random_scores(model: keras.Model, calibration: Iterable | None = None, seed: int = 0) -> dict[str, np.ndarray]:
    """Score filters at random, uniform in [0, 1), the same for the same seed and model; calibration is not used."""
    generator = np.random.default_rng(seed)
    return {path: generator.random(len(f.channels)) for path, f in find_groups(model).filters.items()}


CRITERIA: dict[str, Callable[..., dict[str, np.ndarray]]] = {
    "gradient": gradient_sensitivity,
    "taylor": taylor_importance,
    "magnitude": weight_magnitude,
    "random": random_scores,
}


def get_criterion(criterion: str | Callable) -> Callable[..., dict[str, np.ndarray]]:
    """Find a row of `CRITERIA` by name; a function is returned as it is.

    Raises:
        ValueError: another name.
    """
    if callable(criterion):
        return criterion
    if criterion not in CRITERIA:
        raise ValueError(f"criterion must be one of {sorted(CRITERIA)} or a function. Received: {criterion=}")
    return CRITERIA[criterion]


def _kernels(structure: Structure) -> list[tuple[str, keras.Variable, tuple[int, ...]]]:
    """List the kernels of all layers with filters: path, variable, axes that count filters."""
    return [(path, getattr(f.layer, f.kernel), f.axes) for path, f in structure.filters.items()]


def _per_filter(weights, axes: tuple[int, ...]):
    """Average over all axes but those that count filters: (..., filters) -> (filters,); array or tensor."""
    reduce = np.mean if isinstance(weights, np.ndarray) else tf.reduce_mean
    others = tuple(axis for axis in range(len(weights.shape)) if axis not in axes)
    return (np if isinstance(weights, np.ndarray) else tf).reshape(reduce(weights, axis=others), (-1,))


def _mean_over_batches(model: keras.Model, calibration: Iterable, weigh: Callable) -> dict[str, np.ndarray]:
    """Average `weigh(weight, gradient)` over the weights of each filter and over batches."""
    if not model.compiled:
        raise ValueError(f"model must be compiled with a loss. Received: {model.name!r}, not compiled")
    if calibration is None:
        raise ValueError("calibration must be batches of (x, y) for this criterion. Received: None")
    if isinstance(calibration, tf.data.Dataset) and calibration.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise ValueError("calibration must be finite: take(n) some batches. Received: an endless dataset")
    kernels = _kernels(find_groups(model))
    variables = [variable.value for _, variable, _ in kernels]

    @tf.function(reduce_retracing=True, jit_compile=False)
    def step(x, y, sample_weight):
        # Float16 gradients would vanish without the factor that training uses too.
        factor = tf.cast(model.optimizer.scale_loss(tf.ones(())), tf.float32)
        with tf.GradientTape(watch_accessed_variables=False) as tape, scoring():
            tape.watch(variables)  # frozen ones as well
            loss = model.compute_loss(x, y, model(x, training=False), sample_weight, training=False)
            loss = tf.cast(loss, tf.float32) * factor
        gradients = tape.gradient(loss, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return [
            _per_filter(weigh(tf.cast(variable, tf.float32), tf.cast(gradient, tf.float32) / factor), axes)
            for variable, gradient, (_, _, axes) in zip(variables, gradients, kernels, strict=True)
        ]

    sums, batches = None, 0
    for batch in progress_bar(calibration, desc="scoring filters", unit="batch", leave=False):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
        scores = [value.numpy().astype(np.float64) for value in step(x, y, sample_weight)]
        sums = scores if sums is None else [total + score for total, score in zip(sums, scores, strict=True)]
        batches += 1
    if not batches:
        raise ValueError("calibration must hold at least one batch. Received: an empty dataset")
    return {path: total / batches for (path, _, _), total in zip(kernels, sums, strict=True)}
