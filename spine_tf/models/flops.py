"""Counts the multiply-adds of a forward pass in the traced graph."""

import math

import keras
import tensorflow as tf
from keras import tree

CONVOLUTIONS = ("Conv2D", "Conv3D")
TRANSPOSED = ("Conv2DBackpropInput", "Conv3DBackpropInputV2")
CALLS = ("PartitionedCall", "StatefulPartitionedCall")
"""Operations that call a function of the graph: Keras compiles a convolution of several groups as one."""
PRODUCTS = {"MatMul": "transpose_a", "BatchMatMulV2": "adj_x"}
"""Operation -> its attribute that turns the first factor."""


def multiply_adds(model: keras.Model) -> int:
    """Count the multiply-adds of one sample's forward pass, in convolutions of all kinds and dense layers.

    They are counted in the graph that TensorFlow runs: a layer counts once for every call and for every image it is
    given. Biases, batch normalisation, activations, pooling and resizing count nothing; borders count like the rest.
    Twice this number is often given as FLOPs.

    Args:
        model: functional or sequential; its inputs have a known size.

    Raises:
        ValueError: the size of an input or of a product is not known.

    Example:
        >>> images = keras.Input((4, 4, 3))
        >>> model = keras.Model(images, keras.layers.Conv2D(2, 1)(images))
        >>> multiply_adds(model)  # 16 places, 3 channels in, 2 out
        96
    """
    samples = tree.map_structure(lambda tensor: tf.TensorSpec((1, *tensor.shape[1:]), tensor.dtype), model.input)
    traced = tf.function(lambda x: model(x, training=False), autograph=False).get_concrete_function(samples)
    return _in_graph(traced.graph)


def _in_graph(graph: tf.Graph) -> int:
    """Sum over a graph and the functions that it calls."""
    total = 0
    for operation in graph.get_operations():
        if operation.type in CALLS:
            # There is no public way from a call to what is called.
            total += _in_graph(graph._get_function(operation.get_attr("f").name).graph)
        else:
            total += _multiply_adds(operation)
    return total


def _multiply_adds(operation: tf.Operation) -> int:
    """Count one operation: outputs times the inputs that each is a sum over."""
    kind, inputs = operation.type, operation.inputs
    if kind in CONVOLUTIONS:
        return _size(operation.outputs[0]) * _size(inputs[1], slice(-1))  # kernel (..., in, out)
    if kind in TRANSPOSED:
        return _size(inputs[2]) * _size(inputs[1], slice(-1))  # kernel (..., out, in)
    if kind == "DepthwiseConv2dNative":
        return _size(operation.outputs[0]) * _size(inputs[1], slice(2))  # kernel (h, w, in, multiplier)
    if kind in PRODUCTS:
        turned = operation.get_attr(PRODUCTS[kind])
        return _size(operation.outputs[0]) * _size(inputs[0], slice(-2, -1) if turned else slice(-1, None))
    return 0


def _size(tensor: tf.Tensor, axes: slice = slice(None)) -> int:
    """Multiply the sizes of a tensor's axes."""
    shape = tensor.shape.as_list()[axes]
    if None in shape:
        raise ValueError(f"model must have inputs of known size. Received: {tensor.name} {tensor.shape}")
    return math.prod(shape)
