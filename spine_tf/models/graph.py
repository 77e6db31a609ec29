"""Reads the graph of a Keras model as a plain list of calls, nested models opened up."""

from collections import Counter
from typing import NamedTuple

import keras
from keras import KerasTensor, Operation


class Call(NamedTuple):
    """Records one layer, called on tensors. A layer that is called several times makes several calls."""

    path: str
    """Names of the models that the layer is nested in, then its own: "encoder/conv1"."""
    layer: Operation
    inputs: tuple[KerasTensor, ...]
    outputs: tuple[KerasTensor, ...]


class Graph(NamedTuple):
    """Holds the calls, in an order in which they can be run, and the model's outputs."""

    calls: list[Call]
    outputs: list[KerasTensor]


def plain_functional(model: keras.Model) -> keras.Model:
    """Make an uncompiled functional model of the same layers and tensors; nothing is copied.

    Raises:
        ValueError: a model whose layers are not connected by a graph.
    """
    if not is_graph(model):
        raise ValueError(
            f"model must be functional or sequential, and built. Received: {model.name!r} of {type(model)}"
        )
    if isinstance(model, keras.Sequential):
        # Its `input` is what it was last called on, if it is nested.
        return keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    return keras.Model(model.input, model.output, name=model.name)


def is_graph(layer) -> bool:
    """Tell whether a layer is itself a model with a graph of its own."""
    return isinstance(layer, keras.Model) and layer.built and bool(getattr(layer, "inputs", None))


def read_graph(model: keras.Model) -> Graph:
    """List the calls of a functional or sequential model.

    A nested model that is called once is opened: its input layers become calls on the tensors it is given, and its
    outputs are its inner tensors. One that is called several times stays a single layer.

    Raises:
        ValueError: a model without a graph, such as a subclassed one.
    """
    calls: list[Call] = []
    same: dict[int, KerasTensor] = {}

    def real(tensor: KerasTensor) -> KerasTensor:
        while id(tensor) in same:
            tensor = same[id(tensor)]
        return tensor

    def walk(graph: keras.Model, prefix: str, given: dict[str, KerasTensor]) -> None:
        nodes = _nodes(graph)
        times = Counter(id(node.operation) for node in nodes)
        for node in nodes:
            layer, path = node.operation, prefix + node.operation.name
            inputs = tuple(real(tensor) for tensor in node.input_tensors)
            if node.is_input:
                outer = given.get(layer.name)
                calls.append(Call(path, layer, () if outer is None else (outer,), tuple(node.outputs)))
            elif is_graph(layer) and times[id(layer)] == 1 and len(inputs) == len(layer.inputs):
                inner = plain_functional(layer)
                names = [tensor._keras_history.operation.name for tensor in inner.inputs]
                walk(inner, f"{path}/", dict(zip(names, inputs, strict=True)))
                same.update({id(a): b for a, b in zip(node.outputs, inner.outputs, strict=True)})
            else:
                calls.append(Call(path, layer, inputs, tuple(node.outputs)))

    top = plain_functional(model)
    walk(top, "", {})
    return Graph(calls, [real(tensor) for tensor in top.outputs])


def _nodes(model: keras.Model) -> list:
    """List Keras' records of calls, inputs first."""
    # Keras has no public list of calls: `layer.input` is refused where a layer is called twice.
    by_depth = model._nodes_by_depth
    return [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]]
