"""The fused layers against Keras' own, and what they leave in memory."""

from contextlib import nullcontext

import keras
import numpy as np
import pytest
import tensorflow as tf

from spine_tf.models.attention_linknet import build_attention_linknet
from spine_tf.models.layers import (
    Excite,
    FusedBatchNormalization,
    NormalizedSwish,
    only_served,
    scoring,
    swish,
)


def both(**arguments) -> list[keras.layers.Layer]:
    made = [kind(**arguments) for kind in (keras.layers.BatchNormalization, FusedBatchNormalization)]
    for layer in made:
        layer.build((None, 4, 4, 3))
        values = [np.linspace(0.5, 1.5, 3, dtype="float32") * (i + 1) for i, _ in enumerate(layer.weights)]
        layer.set_weights(values)
    return made


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(2.0, 3.0, size=(2, 4, 4, 3)).astype("float32")


@pytest.mark.parametrize("arguments", [{}, {"scale": False}, {"center": False}, {"axis": 3, "epsilon": 2e-5}])
@pytest.mark.parametrize("training", [False, True])
def test_outputs_and_gradients_are_those_of_keras(x, arguments, training):
    results = []
    for layer in both(**arguments):
        with tf.GradientTape() as tape:
            outputs = layer(x, training=training)
            loss = tf.reduce_sum(outputs**3)
        results.append((outputs, tape.gradient(loss, layer.trainable_variables)))
    (expected, expected_gradients), (got, gradients) = results
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)
    for gradient, reference in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(gradient, reference, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("kind", [FusedBatchNormalization, NormalizedSwish])
@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_scored_in_inference_mode_without_the_fused_kernel(x, kind, dtype):
    layer = kind(dtype=dtype)
    layer.build(x.shape)
    layer.set_weights([np.linspace(0.5, 1.5, 3, dtype="float32") * (i + 1) for i, _ in enumerate(layer.weights)])

    def traced(context, training):
        def step(image):
            with tf.GradientTape() as tape, context():
                tape.watch(image)
                outputs = layer(image, training=training)
            return outputs, tape.gradient(outputs, image)

        run = tf.function(step, jit_compile=False).get_concrete_function(tf.TensorSpec(x.shape, layer.compute_dtype))
        return run, {op.type for op in run.graph.get_operations()}

    (fused, fused_types), (plain, plain_types) = traced(nullcontext, False), traced(scoring, False)
    assert "FusedBatchNormGradV3" in fused_types
    assert not any("FusedBatchNorm" in name for name in plain_types)
    image = tf.constant(x, layer.compute_dtype)
    for expected, got in zip(fused(image), plain(image), strict=True):
        assert got.dtype == expected.dtype == layer.compute_dtype
        np.testing.assert_allclose(got, expected, rtol=1e-5 if dtype == "float32" else 5e-3, atol=1e-6)
    # What is trained is not scored.
    assert any("FusedBatchNorm" in name for name in traced(scoring, True)[1])


def test_moving_statistics_with_the_unbiased_variance(x):
    layer = FusedBatchNormalization(momentum=0.9)
    layer(x, training=True)
    np.testing.assert_allclose(layer.moving_mean, 0.1 * x.mean((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance, 0.9 + 0.1 * x.var((0, 1, 2), ddof=1), rtol=1e-5)


def test_frozen_layer_keeps_its_statistics(x):
    layer = FusedBatchNormalization()
    layer.trainable = False
    np.testing.assert_allclose(layer(x, training=True), x / np.sqrt(1.001), rtol=1e-5)
    np.testing.assert_array_equal(layer.moving_mean, np.zeros(3))


def test_other_ranks_are_left_to_keras():
    x = np.float32([[1.0], [3.0]])
    np.testing.assert_allclose(FusedBatchNormalization(epsilon=0.0)(x, training=True), [[-1.0], [1.0]], rtol=1e-5)


def test_half_precision_keeps_float32_statistics(x):
    layer = FusedBatchNormalization(dtype="mixed_float16")
    outputs = layer(x.astype("float16"), training=True)
    assert outputs.dtype == "float16"
    assert layer.moving_mean.dtype == "float32"
    np.testing.assert_allclose(np.mean(outputs, (0, 1, 2)), np.zeros(3), atol=2e-3)


def swish_after(norm: keras.layers.Layer):
    return lambda x, training: keras.activations.silu(norm(x, training=training))


@pytest.mark.parametrize(
    "arguments", [{}, {"scale": False}, {"center": False}, {"epsilon": 0.5}, {"synchronized": True}, {"frozen": True}]
)
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("runs", ["eagerly", "in a graph", "by XLA"])
def test_swish_in_one_layer_is_swish_behind_the_normalisation(x, arguments, training, runs):
    results = []
    for kind in (FusedBatchNormalization, NormalizedSwish):
        layer = kind(momentum=0.9, **{name: value for name, value in arguments.items() if name != "frozen"})
        layer.build(x.shape)
        layer.set_weights([np.linspace(0.5, 1.5, 3, dtype="float32") * (i + 1) for i, _ in enumerate(layer.weights)])
        layer.trainable = "frozen" not in arguments
        call = layer if kind is NormalizedSwish else swish_after(layer)
        affine = [weight.value for weight in (layer.gamma, layer.beta) if weight is not None]

        def step(image, call=call, affine=affine):
            with tf.GradientTape() as tape:
                tape.watch([image, *affine])
                outputs = call(image, training=training)
                loss = tf.reduce_sum(outputs**3)
            return [outputs, *tape.gradient(loss, [image, *affine])]

        run = step if runs == "eagerly" else tf.function(step, jit_compile=runs == "by XLA")
        results.append([*run(tf.constant(x)), layer.moving_mean, layer.moving_variance])
    for expected, got in zip(*results, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-3)


def test_swish_in_half_precision_has_float32_statistics_and_gradients(x):
    layer = NormalizedSwish(dtype="mixed_float16")
    with tf.GradientTape() as tape:
        outputs = layer(x.astype("float16"), training=True)
        loss = tf.reduce_sum(tf.cast(outputs, "float32"))
    gradients = tape.gradient(loss, layer.trainable_variables)
    assert [outputs.dtype, *(g.dtype for g in gradients), layer.moving_mean.dtype] == ["float16", *["float32"] * 3]
    normalised = (x - x.mean((0, 1, 2))) / np.sqrt(x.var((0, 1, 2)) + layer.epsilon)
    np.testing.assert_allclose(outputs, normalised / (1 + np.exp(-normalised)), atol=5e-3)
    sigmoid = 1 / (1 + np.exp(-normalised))
    np.testing.assert_allclose(gradients[1], (sigmoid * (1 + normalised * (1 - sigmoid))).sum((0, 1, 2)), rtol=1e-2)


def kept_for_the_backward_pass(function, *shapes) -> set[str]:
    """Types of the operations whose large outputs the gradients read."""

    @tf.function(jit_compile=False)
    def step(*inputs):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = function(*inputs)
        forward = {op.name for op in tf.compat.v1.get_default_graph().get_operations()}
        gradients = tape.gradient(outputs, inputs)
        graph = tf.compat.v1.get_default_graph()
        later = [op for op in graph.get_operations() if op.name not in forward]
        kept.update(t.op.type for op in later for t in op.inputs if t.op.name in forward and t.shape.rank == 4)
        waits.extend(len(op.control_inputs) for op in later if op.type == "FusedBatchNormV3")
        return gradients

    kept, waits = set(), []
    step.get_concrete_function(*(tf.TensorSpec(shape) for shape in shapes))
    assert all(waits)
    return kept


def test_between_normalisation_and_swish_nothing_is_kept():
    shape = (2, 4, 4, 3)
    apart, one = swish_after(FusedBatchNormalization()), NormalizedSwish()
    for layer in (apart, one):
        layer(tf.zeros(shape), training=True)
    assert "FusedBatchNormV3" in kept_for_the_backward_pass(lambda x: apart(x, training=True), shape)
    # The inputs alone: the map that is made again waits for the gradient that needs it.
    assert kept_for_the_backward_pass(lambda x: one(x, training=True), shape) <= {"Placeholder", "Fill"}


@pytest.mark.parametrize("context", [nullcontext, only_served])
def test_excite_is_multiply(x, context):
    weights = tf.constant(np.float32([[0.1, 0.5, 0.9], [0.2, 1e-6, 0.3]]).reshape(2, 1, 1, 3))
    results = []
    for layer in (keras.layers.Multiply(), Excite()):
        image = tf.constant(x)
        with tf.GradientTape() as tape, context():
            tape.watch([image, weights])
            outputs = layer([image, weights])
            loss = tf.reduce_sum(tf.sin(outputs))
        results.append([outputs, *tape.gradient(loss, [image, weights])])
    for expected, got in zip(*results, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shapes", [[(2, 4, 4, 3)] * 2, [(2, 1, 1, 3), (2, 4, 4, 3)], [(2, 4, 4, 3), (2, 1, 1, 1)]])
def test_excite_refuses_what_is_no_pair_of_maps_and_weights(shapes):
    with pytest.raises(ValueError, match=r"inputs must be a pair of maps .* Received: shapes \[\(2, "):
        Excite()([tf.zeros(shape) for shape in shapes])


def test_excite_keeps_its_product_alone_and_a_weight_of_zero_gets_no_gradient(x):
    weights = tf.zeros((2, 1, 1, 3))
    with tf.GradientTape() as tape:
        tape.watch(weights)
        outputs = Excite()([tf.constant(x), weights])
    np.testing.assert_array_equal(tape.gradient(outputs, weights), np.zeros((2, 1, 1, 3)))

    def kept(layer: keras.layers.Layer) -> set[str]:
        return kept_for_the_backward_pass(lambda x, w: layer([x + 1, w]), (2, 4, 4, 3), (2, 1, 1, 3))

    assert "AddV2" in kept(keras.layers.Multiply())
    assert "AddV2" not in kept(Excite())
    assert "Mul" in kept(Excite())


def test_what_is_only_served_leaves_no_gradients_of_its_own_to_a_saved_model():
    model = build_attention_linknet(encoder="tiny", linknet_encoder="resnet18", image_size=64)
    shapes = {tensor.name: tf.TensorSpec((1, *tensor.shape[1:])) for tensor in model.inputs}

    def forward(views):
        return model(views, training=False)

    def with_own_gradient() -> int:
        traced = tf.function(forward).get_concrete_function(shapes)
        return sum("_gradient_op_type" in op.node_def.attr for op in traced.graph.get_operations())

    assert with_own_gradient() > 0
    with only_served():
        assert with_own_gradient() == 0


@pytest.mark.parametrize("context", [nullcontext, only_served])
def test_swish_by_hand(context):
    # The sigmoid of ln 3 is 3/4, that of -ln 3 1/4.
    x = np.float32([0.0, np.log(3), -np.log(3)])
    with context():
        np.testing.assert_allclose(swish(tf.constant(x)), x * [0.5, 0.75, 0.25], rtol=1e-6)


def test_synchronized_alone_is_keras_and_its_variance_is_the_batchs(x):
    keras_layer, ours = both(synchronized=True)
    np.testing.assert_allclose(ours(x, training=True), keras_layer(x, training=True), atol=1e-5)
    np.testing.assert_allclose(ours.moving_mean, keras_layer.moving_mean, atol=1e-5)
    np.testing.assert_allclose(ours.moving_variance, keras_layer.moving_variance, atol=1e-4)
