"""What a forward pass costs: multiply-adds, counted in the traced graph."""

import math

import keras
import tensorflow as tf
from keras import tree

CONVOLUTIONS = ("Conv2D", "Conv3D")
TRANSPOSED = ("Conv2DBackpropInput", "Conv3DBackpropInputV2")
CALLS = ("PartitionedCall", "StatefulPartitionedCall")
"""Of functions in the graph: Keras compiles a convolution of several groups as one."""
PRODUCTS = {"MatMul": "transpose_a", "BatchMatMulV2": "adj_x"}
"""Operation -> its attribute that turns the first factor."""


def multiply_adds(model: keras.Model) -> int:
    """Multiply-adds of one sample's forward pass: of convolutions, plain, transposed or depthwise, and dense layers.

    Counted in the graph that TensorFlow runs, so that a layer counts as often as it is called and as many images as it
    is given. Additions of a bias, batch normalisation, activations, pooling and resizing count nothing; borders count
    like the rest. Twice this is what others call FLOPs.

    Raises:
        ValueError: the size of an input or of a product is not known.
    """
    samples = tree.map_structure(lambda tensor: tf.TensorSpec((1, *tensor.shape[1:]), tensor.dtype), model.input)
    traced = tf.function(lambda x: model(x, training=False), autograph=False).get_concrete_function(samples)
    return _in_graph(traced.graph)


def _in_graph(graph: tf.Graph) -> int:
    total = 0
    for operation in graph.get_operations():
        if operation.type in CALLS:
            # There is no public way from a call to what is called.
            total += _in_graph(graph._get_function(operation.get_attr("f").name).graph)
        else:
            total += _multiply_adds(operation)
    return total


def _multiply_adds(operation: tf.Operation) -> int:
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
    shape = tensor.shape.as_list()[axes]
    if None in shape:
        raise ValueError(f"model must have inputs of known size. Received: {tensor.name} {tensor.shape}")
    return math.prod(shape)
