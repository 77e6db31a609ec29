"""The fused batch normalisation against Keras' own."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from spine_tf.models.normalization import FusedBatchNormalization, synchronize_normalization


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


def test_synchronized_alone_is_keras_and_its_variance_is_the_batchs(x):
    keras_layer, ours = both(synchronized=True)
    np.testing.assert_allclose(ours(x, training=True), keras_layer(x, training=True), atol=1e-5)
    np.testing.assert_allclose(ours.moving_mean, keras_layer.moving_mean, atol=1e-5)
    np.testing.assert_allclose(ours.moving_variance, keras_layer.moving_variance, atol=1e-4)


def test_every_normalisation_of_a_model_is_switched_inner_models_too():
    inner = keras.Sequential([keras.Input((4, 4, 3)), FusedBatchNormalization(name="one")], name="inner")
    inputs = keras.Input((4, 4, 3))
    model = keras.Model(inputs, keras.layers.BatchNormalization(name="two")(inner(inputs)))
    for on in (True, False):
        synchronize_normalization(model, on)
        assert [inner.get_layer("one").synchronized, model.get_layer("two").synchronized] == [on, on]
