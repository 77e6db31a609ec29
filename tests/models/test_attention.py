"""Attention modules: values worked out by hand, shapes, and files."""

from contextlib import nullcontext

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from spine_tf.models.attention import (
    ATTENTION,
    ChannelPool,
    GlobalMaximum,
    bottleneck_filters,
    cbam,
    largest,
    squeeze_excite,
)
from spine_tf.models.layers import only_served


def sigmoid(x: float) -> float:
    return 1 / (1 + np.exp(-x))


def module(build, channels: int) -> keras.Model:
    inputs = keras.Input((2, 2, channels))
    return keras.Model(inputs, build(inputs, "axial_block1_attention"))


def set_all(model: keras.Model, values: dict[str, float]) -> None:
    """Set every weight of a layer, by the end of its name, to one value; all others to 0."""
    for layer in model.layers:
        value = next((v for end, v in values.items() if layer.name.endswith(end)), 0.0)
        kernel_only = [np.full(w.shape, value if "kernel" in w.name else 0.0, "float32") for w in layer.weights]
        layer.set_weights(kernel_only)


def test_channel_pool_as_if_removed_zeros_were_there(tmp_path):
    x = np.float32([[-3, -1], [2, 4]]).reshape(1, 2, 1, 2)
    # With two zeros: means of (-3, -1, 0, 0) and (2, 4, 0, 0), maxima of the same.
    np.testing.assert_allclose(ChannelPool(zeros=2)(x)[0, :, 0], [[-1, 0], [1.5, 4]])
    np.testing.assert_array_equal(ChannelPool(zeros=2)(x), ChannelPool()(np.pad(x, [(0, 0)] * 3 + [(0, 2)])))
    image = keras.Input((2, 1, 2))
    model = keras.Model(image, ChannelPool(zeros=2)(image))
    assert model.output.shape == (None, 2, 1, 2)
    model.save(tmp_path / "pool.keras")
    np.testing.assert_array_equal(keras.saving.load_model(tmp_path / "pool.keras")(x), model(x))


def test_channel_pool_is_mean_and_maximum_over_channels():
    pooled = ChannelPool()(np.float32([[[[1, 2, 6]]]]))
    np.testing.assert_array_equal(pooled, [[[[3, 6]]]])


def test_cbam_adds_averaged_and_maximal_descriptor_before_the_sigmoid():
    model = module(cbam, channels=1)
    set_all(model, {"channel_reduce": 1.0, "channel_expand": 1.0})
    x = np.float32([0, 0, 0, 4]).reshape(1, 2, 2, 1)
    # Mean 1 and maximum 4 pass unchanged: channel weight sigmoid(5). All-zero spatial attention: sigmoid(0) = 1/2.
    np.testing.assert_allclose(model(x), x * sigmoid(5.0) * 0.5, rtol=1e-6)


def test_cbam_weighs_places_by_mean_and_maximum_over_channels():
    model = module(cbam, channels=2)
    set_all(model, {})
    kernel = np.zeros((7, 7, 2, 1), "float32")
    kernel[3, 3] = [[1.0], [10.0]]
    model.get_layer("axial_block1_attention_spatial_conv").set_weights([kernel, np.zeros(1, "float32")])
    x = np.zeros((1, 2, 2, 2), "float32")
    x[0, 0, 0] = [2.0, 0.4]
    # Channel attention halves: (1.0, 0.2) at that place, mean 0.6 and maximum 1.0.
    expected = x * 0.5
    expected[0, 0, 0] *= sigmoid(0.6 + 10.0)
    np.testing.assert_allclose(model(x), expected, rtol=1e-6)


def test_squeeze_excite_weighs_channels_by_their_mean():
    model = module(squeeze_excite, channels=1)
    set_all(model, {"reduce": 1.0, "expand": 1.0})
    x = np.float32([0, 0, 0, 8]).reshape(1, 2, 2, 1)
    np.testing.assert_allclose(model(x), x * sigmoid(2.0), rtol=1e-6)


@pytest.mark.parametrize(("channels", "expected"), [(1, 1), (8, 4), (64, 4), (160, 10)])
def test_bottleneck_has_a_floor(channels, expected):
    assert bottleneck_filters(channels) == expected


@pytest.mark.parametrize("kind", ["cbam", "se"])
def test_last_layer_carries_the_address_and_every_layer_is_called_once(kind):
    model = module(ATTENTION[kind], channels=8)
    assert model.layers[-1].name == "axial_block1_attention"
    assert model.output.shape == (None, 2, 2, 8)
    for layer in model.layers:
        layer.output  # noqa: B018  raises for a layer that is called twice


def test_none_is_the_map_itself():
    inputs = keras.Input((2, 2, 3))
    assert ATTENTION["none"](inputs, "unused") is inputs


@pytest.mark.parametrize("kind", ["cbam", "se"])
def test_saves_and_loads_to_equal_outputs(kind, tmp_path):
    model = module(ATTENTION[kind], channels=8)
    model.save(tmp_path / "attention.keras")
    again = keras.saving.load_model(tmp_path / "attention.keras")
    x = np.random.default_rng(0).normal(size=(2, 2, 2, 8)).astype("float32")
    np.testing.assert_array_equal(model(x), again(x))


@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_gradient_of_the_largest_is_shared_by_those_that_are(jit_compile):
    x = tf.constant([[1.0, 3.0, 3.0], [5.0, 2.0, 4.0]])

    @tf.function(jit_compile=jit_compile)
    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = largest(x, axis=1)
            loss = tf.reduce_sum(y * [[10.0], [1.0]])
        return y, tape.gradient(loss, x)

    y, gradient = step(x)
    np.testing.assert_array_equal(y, [[3], [5]])
    np.testing.assert_array_equal(gradient, [[0, 5, 5], [1, 0, 0]])


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("context", [nullcontext, only_served])
def test_the_maximum_over_places_is_that_of_keras(keepdims, context):
    x = tf.constant(np.random.default_rng(0).integers(0, 5, (2, 3, 4, 6)), tf.float32)
    results = []
    for kind in (layers.GlobalMaxPooling2D, GlobalMaximum):
        with tf.GradientTape() as tape, context():
            tape.watch(x)
            y = kind(keepdims=keepdims)(x)
            loss = tf.reduce_sum(y * y)
        results.append((y, tape.gradient(loss, x)))
    for expected, got in zip(*results, strict=True):
        np.testing.assert_array_equal(got, expected)
