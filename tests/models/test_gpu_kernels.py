"""Every operation of a training step has a kernel for GPUs: TensorFlow's Linux wheel registers them without one."""

from collections.abc import Iterator

import keras
import pytest
import tensorflow as tf
from tensorflow.python.framework import kernels

from spine_tf.config import VIEWS, ModelConfig, TrainConfig
from spine_tf.models import build_model
from spine_tf.training.fit import compile_model

NETWORKS = {
    "attention_linknet": {"encoder": "tiny", "linknet_encoder": "resnet18", "share_branches": True},
    "pspnet": {"encoder": "resnet18"},
    "hyperdensenet": {"stream_width": 0.04},
}


def has_gpu_kernel(op: tf.Operation) -> bool:
    """Tell whether a kernel for GPUs, or for every device, takes the types of an operation."""
    return any(
        kernel.device_type in ("GPU", "DEFAULT") and all(_fits(op, constraint) for constraint in kernel.constraint)
        for kernel in kernels.get_registered_kernels_for_op(op.type).kernel
    )


def _fits(op: tf.Operation, constraint) -> bool:
    types = op.get_attr(constraint.name)
    types = types if isinstance(types, list) else [types]
    return {one.as_datatype_enum for one in types} <= set(constraint.allowed_values.list.type)


def operations(graph: tf.Graph) -> Iterator[tf.Operation]:
    """List the operations of a graph, and of the functions that it calls."""
    yield from graph.get_operations()
    for function in graph._functions.values():
        yield from operations(function.graph)


def test_an_operation_without_a_gpu_kernel_is_found():
    with tf.Graph().as_default():
        tf.strings.length(tf.constant("spine"))
        words, length = tf.compat.v1.get_default_graph().get_operations()
        tf.raw_ops.Conv2D(input=tf.zeros((1, 4, 4, 1)), filter=tf.zeros((1, 1, 1, 1)), strides=[1] * 4, padding="SAME")
        convolution = tf.compat.v1.get_default_graph().get_operations()[-1]
    if not any(kernel.device_type == "GPU" for kernel in kernels.get_registered_kernels_for_op("Conv2D").kernel):
        pytest.skip("this TensorFlow was built without GPU kernels")
    assert words.type == "Const"
    assert not has_gpu_kernel(length)
    assert has_gpu_kernel(convolution)


@pytest.mark.parametrize("architecture", NETWORKS)
@pytest.mark.parametrize("precision", ["mixed_float16", pytest.param("mixed_bfloat16", marks=pytest.mark.slow)])
def test_a_training_step_has_gpu_kernels_throughout(architecture, precision):
    if not any(kernel.device_type == "GPU" for kernel in kernels.get_registered_kernels_for_op("Conv2D").kernel):
        pytest.skip("this TensorFlow was built without GPU kernels")
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        model = build_model(ModelConfig(architecture=architecture, **NETWORKS[architecture]), 32)
        compile_model(model, TrainConfig(precision=precision, loss="bce_dice"), 10)
    finally:
        keras.config.set_dtype_policy(policy)
    batch = {view: tf.TensorSpec((4, 32, 32, 3)) for view in VIEWS}, tf.TensorSpec((4, 32, 32, 3))
    step = tf.function(model.train_step, autograph=False, jit_compile=False).get_concrete_function(batch)
    found = list(operations(step.graph))
    assert {"Conv2DBackpropFilter", "FusedBatchNormGradV3", "ResourceApplyAdaMax"} <= {op.type for op in found}
    assert {op.type for op in found if not has_gpu_kernel(op)} == set()
