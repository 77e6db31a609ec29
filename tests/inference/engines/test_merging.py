"""Batch normalisation merged into convolutions: by hand on one weight, and of whole networks."""

import keras
import numpy as np
import pytest
from keras import layers

from spine_tf.config import PRESETS, VIEWS
from spine_tf.inference.engines.merging import merge_normalization
from spine_tf.models import build_model
from spine_tf.models.layers import FusedBatchNormalization, NormalizedSwish
from tests.support.scans import shaken


def normalized(convolution, channels=1, kind=FusedBatchNormalization, **arguments) -> keras.Model:
    """A convolution and a normalisation of moving mean 4, variance 9, gamma 6 and beta 5."""
    inputs = keras.Input((3, 3, channels))
    normalization = kind(epsilon=1e-3, **arguments)
    model = keras.Model(inputs, normalization(convolution(inputs)))
    values = {"gamma": 6.0, "beta": 5.0, "moving_mean": 4.0, "moving_variance": 9.0 - 1e-3}
    for weight in normalization.weights:
        weight.assign(np.full(weight.shape, values[weight.name]))
    return model


def test_scale_goes_into_the_kernel_and_the_rest_into_beta():
    # 6 * (3x - 4) / 3 + 5 = 6x - 3
    model = normalized(layers.Conv2D(1, 1, use_bias=False))
    _, convolution, normalization = model.layers
    convolution.kernel.assign([[[[3.0]]]])
    assert merge_normalization(model) == 1
    np.testing.assert_allclose(convolution.kernel, [[[[6.0]]]], rtol=1e-6)
    np.testing.assert_allclose(normalization.beta, [-3.0], rtol=1e-6)
    x = np.arange(9, dtype="float32").reshape(1, 3, 3, 1)
    np.testing.assert_allclose(model(x), 6 * x - 3, rtol=1e-5)
    np.testing.assert_allclose(model(x, training=True), 6 * x - 3, rtol=1e-5)
    assert merge_normalization(model) == 0


@pytest.mark.parametrize("kind", [FusedBatchNormalization, NormalizedSwish])
@pytest.mark.parametrize(
    "convolution",
    [
        layers.Conv2D(4, 3, use_bias=False, padding="same"),
        layers.Conv2D(4, 3, use_bias=False, groups=2),
        layers.Conv2DTranspose(3, 2, strides=2, use_bias=False),
        layers.DepthwiseConv2D(3, use_bias=False, padding="same"),
    ],
    ids=lambda layer: type(layer).__name__ + "-" * (getattr(layer, "groups", 1) > 1),
)
def test_outputs_stay_and_so_they_do_after_saving(convolution, kind, tmp_path):
    model = normalized(type(convolution).from_config(convolution.get_config()), channels=2, kind=kind)
    rng = np.random.default_rng(0)
    for weight in model.layers[2].weights:
        weight.assign(rng.uniform(0.5, 2.0, weight.shape))
    x = rng.normal(size=(2, 3, 3, 2)).astype("float32")
    expected = model(x)
    assert merge_normalization(model) == 1
    np.testing.assert_allclose(model(x), expected, rtol=1e-5, atol=1e-5)
    model.save(tmp_path / "merged.keras")
    np.testing.assert_allclose(keras.saving.load_model(tmp_path / "merged.keras")(x), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "convolution",
    [
        layers.Conv2D(2, 1),
        layers.Conv2D(2, 1, use_bias=False, activation="relu"),
        layers.DepthwiseConv2D(1, use_bias=False, depth_multiplier=2),
        layers.SeparableConv2D(2, 1, use_bias=False),
        layers.MaxPooling2D(1),
    ],
    ids=["bias", "activation", "multiplier", "separable", "pooling"],
)
def test_other_layers_are_left_alone(convolution):
    assert merge_normalization(normalized(convolution)) == 0


@pytest.mark.parametrize("arguments", [{"scale": False}, {"center": False}, {"axis": 1}])
def test_a_normalization_without_gamma_or_beta_or_of_another_axis_is_left_alone(arguments):
    assert merge_normalization(normalized(layers.Conv2D(3, 1, use_bias=False), **arguments)) == 0


def test_maps_that_go_elsewhere_too_are_left_alone():
    inputs = keras.Input((3, 3, 1))
    maps = layers.Conv2D(1, 1, use_bias=False)(inputs)
    assert merge_normalization(keras.Model(inputs, layers.Add()([maps, FusedBatchNormalization()(maps)]))) == 0
    assert merge_normalization(keras.Model(inputs, [maps, FusedBatchNormalization()(maps)])) == 0


def test_layers_called_twice_are_left_alone():
    inputs, convolution = keras.Input((3, 3, 1)), layers.Conv2D(1, 1, use_bias=False)
    once, twice = (FusedBatchNormalization()(convolution(x)) for x in (inputs, layers.ReLU()(inputs)))
    assert merge_normalization(keras.Model(inputs, [once, twice])) == 0
    normalization = FusedBatchNormalization()
    maps = [normalization(layers.Conv2D(1, 1, use_bias=False)(inputs)) for _ in range(2)]
    assert merge_normalization(keras.Model(inputs, maps)) == 0


def test_network_gives_the_same():
    model = shaken(build_model(PRESETS["tiny"].model, 32), np.random.default_rng(0))
    rng = np.random.default_rng(1)
    x = {view: rng.random((2, 32, 32, 3), dtype="float32") for view in VIEWS}
    expected = model(x).numpy()
    assert merge_normalization(model) >= 20
    np.testing.assert_allclose(model(x), expected, atol=1e-5)
    assert np.ptp(expected) > 0.1
