"""Removes filters: builds a smaller model with the outputs of the zeroed one."""

from collections import defaultdict
from collections.abc import Iterable

import keras
import numpy as np
from keras import tree

from spine_tf.models.graph import is_graph, plain_functional
from spine_tf.pruning.channels import Slice, Width
from spine_tf.pruning.groups import Group, Structure, find_groups
from spine_tf.pruning.weight_masks import zeroed_groups


def remove_filters(model: keras.Model, groups: Iterable[Group] | None = None) -> keras.Model:
    """Build the model without the filters of these groups; the model given stays as it is.

    The result has the outputs that the model has once the groups are zeroed (`weight_masks.zero_groups`), within
    float32 rounding. Layer names, inputs and outputs are kept. Weights are sliced, also where the removed channels were
    read. A `ChannelPool` counts the zeros it has lost. A layer that would be left without filters keeps one, zeroed.

    Args:
        model: functional or sequential.
        groups: groups of `find_groups(model)`; by default those that are zero in the model's weights.

    Returns:
        A functional model, not compiled, saved and loaded like any other, that can be pruned again.

    Raises:
        ValueError: a model without a graph, groups that are not the model's, a layer that cannot be rebuilt from its
            config (a Lambda of Python code).

    Example:
        >>> images = keras.Input((4, 4, 3))
        >>> x = keras.layers.Conv2D(8, 3, name="conv")(images)
        >>> model = keras.Model(images, keras.layers.Conv2D(1, 1)(x))
        >>> smaller = remove_filters(model, find_groups(model).groups[:6])
        >>> [layer.output.shape for layer in smaller.layers]
        [(None, 4, 4, 3), (None, 2, 2, 2), (None, 2, 2, 1)]
    """
    structure = find_groups(model)
    if groups is None:
        zeroed = zeroed_groups(structure)
    else:
        numbers = {group: number for number, group in enumerate(structure.groups)}
        groups = [Group(tuple(map(tuple, group.filters))) for group in groups]
        unknown = [group for group in groups if group not in numbers]
        if unknown:
            raise ValueError(f"groups must be of find_groups(model). Received: {unknown[:3]}")
        zeroed = sorted({numbers[group] for group in groups})
    kept, silent = ~structure.chosen(_leave_one(structure, zeroed)), structure.chosen(zeroed)

    rebuilt: dict[int, tuple] = {}
    smaller = _rebuild(model, {id(w.layer): w for w in structure.widths}, kept, rebuilt)
    slices = defaultdict(list)
    for part in structure.slices:
        slices[id(part.variable)].append(part)
    for old, new in rebuilt.values():
        for source, target in zip(old.variables, new.variables, strict=True):
            target.assign(_cut(np.asarray(source), slices[id(source)], kept, silent))
    return smaller


def _leave_one(structure: Structure, zeroed: list[int]) -> set[int]:
    """Leave out of the zeroed groups those that a layer needs to be left with one channel."""
    removed = set(zeroed)
    for filters in structure.filters.values():
        numbers = filters.channels.tolist()
        if removed.issuperset(numbers):
            removed.discard(numbers[0])
    return removed


def _rebuild(model: keras.Model, widths: dict[int, Width], kept: np.ndarray, rebuilt: dict[int, tuple]):
    """Make the model with layers of the new widths and fresh weights; `rebuilt` gets every layer and its copy."""
    graph = plain_functional(model)

    def copy(layer):
        if id(layer) in rebuilt:
            return rebuilt[id(layer)][1]
        new = _rebuild(layer, widths, kept, rebuilt) if is_graph(layer) else _copy(layer, widths.get(id(layer)), kept)
        if isinstance(layer, keras.layers.Layer) and not is_graph(layer):
            rebuilt[id(layer)] = layer, new
        return new

    def new_input(tensor):
        layer = tensor._keras_history.operation
        shape = tensor.shape
        if id(layer) in widths:
            shape = (*shape[:-1], int(kept[widths[id(layer)].channels].sum()))
        return keras.Input(batch_shape=shape, dtype=tensor.dtype, name=layer.name)

    inputs = tree.map_structure(new_input, graph.input)
    smaller = keras.models.clone_model(graph, input_tensors=inputs, clone_function=copy)
    if not model.trainable:
        smaller.trainable = False
    return smaller


def _copy(layer, width: Width | None, kept: np.ndarray):
    """Make a layer of the new width, with fresh weights."""
    config = layer.get_config()
    if width is not None:
        count = int(kept[width.channels].sum())
        if width.key == "target_shape":
            # A -1 in the last place finds the new width by itself.
            *rest, last = config["target_shape"]
            config["target_shape"] = (*rest, last if last == -1 else count)
        elif width.key == "zeros":
            config["zeros"] += len(width.channels) - count
        else:
            config[width.key] = count
    try:
        return type(layer).from_config(config)
    except (TypeError, ValueError, NotImplementedError) as error:
        raise ValueError(
            f"model must be made of layers that can be rebuilt from their configs. Received: {layer.name!r} of "
            f"{type(layer)}: {error}"
        ) from error


def _cut(value: np.ndarray, parts: list[Slice], kept: np.ndarray, silent: np.ndarray) -> np.ndarray:
    """Cut the removed channels out of a weight, and set those that are zeroed but kept to zero."""
    for part in parts:
        if part.zeroed:
            value = np.where(part.along_axis(silent[part.channels]), value.dtype.type(0), value)
        value = np.compress(kept[part.channels], value, axis=part.axis)
    return value
