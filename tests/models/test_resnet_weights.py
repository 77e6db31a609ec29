"""A small-kernelled 3-D ResNet-50 of random weights, computed as PyTorch would, against our LinkNet's encoder."""

import keras
import numpy as np
import pytest
from keras import ops

from spine_tf.models.encoders import copy_weights
from spine_tf.models.linknet import zoo_network
from spine_tf.models.resnet_weights import THEIR_EPSILON, resnet_layers
from spine_tf.models.weight_files import ASTRA, converted_weights, read_layers
from spine_tf.support.errors import DownloadError

UNITS = (3, 4, 6, 3)


def inflated_state(cut_off: bool) -> dict[str, np.ndarray]:
    """Random weights of an inflated ResNet-50, in which rectifying the sums cuts something off, or never does."""
    rng, state = np.random.default_rng(0), {}

    def convolution(name, before, after, depth, kernel):
        fan = before * depth * kernel**2
        state[f"{name}.weight"] = rng.normal(0, fan**-0.5, (after, before, depth, kernel, kernel)).astype("float32")

    def normalization(name, channels, last=False):
        for part, low, high in (("weight", 0.5, 1.5), ("bias", -0.5, 0.5), ("running_mean", -0.2, 0.2)):
            state[f"{name}.{part}"] = rng.uniform(low, high, channels).astype("float32")
        state[f"{name}.running_var"] = rng.uniform(0.5, 1.5, channels).astype("float32")
        if last and not cut_off:
            state[f"{name}.weight"] *= np.float32(0.02)
            state[f"{name}.bias"] += np.float32(8)

    convolution("conv1", 3, 64, 3, 7)
    normalization("bn1", 64)
    before = 64
    for stage, units in enumerate(UNITS, start=1):
        planes = 32 * 2**stage
        for unit in range(units):
            name = f"layer{stage}.{unit}"
            for n, (inputs, outputs, kernel) in enumerate(
                ((before, planes, 1), (planes, planes, 3), (planes, 4 * planes, 1)), start=1
            ):
                convolution(f"{name}.conv{n}", inputs, outputs, kernel, kernel)
                normalization(f"{name}.bn{n}", outputs, last=n == 3)
            if unit == 0:
                convolution(f"{name}.downsample.0", before, 4 * planes, 1, 1)
                normalization(f"{name}.downsample.1", 4 * planes, last=True)
            before = 4 * planes
    return state


def pytorchs_units(state: dict[str, np.ndarray], x) -> dict[str, np.ndarray]:
    """The original network on a volume that is the same in every slice: its map (H, W, C) after each unit.

    One slice stands for all; a kernel with a depth of 3 finds the slice itself before and behind it.

    Args:
        x: (1, H, W, 3).
    """

    def convolve(x, name, stride=1):
        kernel = state[f"{name}.weight"].transpose(2, 3, 4, 1, 0)  # (depth, h, w, in, out)
        deep = ops.repeat(x, kernel.shape[0], axis=1)
        side = kernel.shape[1] // 2
        padded = ops.pad(deep, ((0, 0), (0, 0), (side, side), (side, side), (0, 0)))
        return ops.conv(padded, kernel, strides=(1, stride, stride), padding="valid")

    def normalize(x, name):
        gamma, beta, mean, variance = (state[f"{name}.{p}"] for p in ("weight", "bias", "running_mean", "running_var"))
        return (x - mean) / np.sqrt(variance + THEIR_EPSILON) * gamma + beta

    x = ops.relu(normalize(convolve(ops.convert_to_tensor(x)[:, None], "conv1", 2), "bn1"))
    x = ops.max_pool(ops.pad(x[:, 0], ((0, 0), (1, 1), (1, 1), (0, 0))), 3, 2)[:, None]  # (1, 1, H/4, W/4, 64)
    maps = {}
    for stage, units in enumerate(UNITS, start=1):
        for unit in range(units):
            name, stride = f"layer{stage}.{unit}", 2 if unit == 0 and stage > 1 else 1
            y = ops.relu(normalize(convolve(x, f"{name}.conv1"), f"{name}.bn1"))
            y = ops.relu(normalize(convolve(y, f"{name}.conv2", stride), f"{name}.bn2"))
            y = normalize(convolve(y, f"{name}.conv3"), f"{name}.bn3")
            if unit == 0:
                x = normalize(convolve(x, f"{name}.downsample.0", stride), f"{name}.downsample.1")
            x = ops.relu(x + y)
            maps[name] = np.asarray(x[0, 0])
    return maps


@pytest.fixture(scope="module")
def model() -> keras.Model:
    x = keras.Input((64, 64, 3))
    return keras.Model(x, zoo_network(x, "linknet", "resnet50", "upsampling", masks=3, prefix="linknet"))


def our_units(model: keras.Model, state: dict[str, np.ndarray], x) -> dict[str, np.ndarray]:
    """The same maps of our encoder: the rectified input of the unit after. The first convolution is set by hand."""
    copied = copy_weights(resnet_layers(state), model, "linknet")
    encoder = [layer.name for layer in model.layers if layer.weights and layer.name.startswith("linknet_")]
    assert copied == len(encoder) - len(("bn_data", "conv0"))
    model.get_layer("linknet_conv0").set_weights([state["conv1.weight"].sum(2).transpose(2, 3, 1, 0)])
    model.get_layer("linknet_bn_data").set_weights([np.zeros(3), np.zeros(3), np.ones(3)])
    gamma, beta, _, _ = model.get_layer("linknet_bn0").get_weights()
    model.get_layer("linknet_bn0").set_weights([gamma, beta, state["bn1.running_mean"], state["bn1.running_var"]])
    names = [f"layer{stage}.{unit}" for stage, units in enumerate(UNITS, start=1) for unit in range(units)]
    after = [f"linknet_stage{n[5]}_unit{int(n[7]) + 1}_relu1" for n in names[1:]] + ["linknet_relu1"]
    maps = keras.Model(model.input, [model.get_layer(name).output for name in after])(x)
    return {name: np.asarray(features[0]) for name, features in zip(names, maps, strict=True)}


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(1).random((1, 64, 64, 3), dtype="float32")


def test_where_nothing_is_cut_off_every_unit_is_the_originals(model, pixels):
    # Where no sum is negative, rectifying before or after adding is the same.
    state = inflated_state(cut_off=False)
    expected, got = pytorchs_units(state, pixels), our_units(model, state, pixels)
    assert got.keys() == expected.keys()
    for name, features in expected.items():
        assert features.min() > 0
        assert features.std(axis=(0, 1)).min() > 0.001 or features.shape[0] == 1
        np.testing.assert_allclose(got[name], features, rtol=1e-5, err_msg=name)


def test_else_the_first_unit_is_the_originals_and_the_next_not(model, pixels):
    state = inflated_state(cut_off=True)
    expected, got = pytorchs_units(state, pixels), our_units(model, state, pixels)
    np.testing.assert_allclose(got["layer1.0"], expected["layer1.0"], atol=2e-3)
    difference = np.abs(got["layer1.1"] - expected["layer1.1"])
    # Only what was negative before the second addition can differ.
    assert difference[expected["layer1.0"] > 0].max() < 2e-3
    assert difference.max() > 0.1


def test_statistics_are_those_that_the_normalisations_before_promise():
    state = inflated_state(cut_off=True)
    state["bn1.weight"][:], state["bn1.bias"][:] = 1.0, 0.0
    layers = resnet_layers(state)
    # A standard normal value, rectified: mean 1 / sqrt(2 pi), variance 1/2 - 1 / (2 pi).
    gamma, beta, mean, variance = (array[0] for array in layers["stage1_unit1_bn1"])
    assert (beta, mean, variance) == pytest.approx((0.39894, 0.39894, 0.34085), abs=1e-4)
    assert gamma == pytest.approx(0.34085**0.5, abs=1e-4)
    # Two branches meet: their betas add up, and so do their gammas squared.
    _, beta, _, variance = layers["stage2_unit2_bn1"]
    parts = "layer2.0.bn3", "layer2.0.downsample.1"
    np.testing.assert_allclose(beta, sum(state[f"{part}.bias"] for part in parts), rtol=1e-5)
    np.testing.assert_allclose(variance, sum(state[f"{part}.weight"] ** 2 for part in parts), rtol=1e-5)


@pytest.mark.slow
def test_the_real_checkpoint_fits_resnet152(tmp_path):
    try:
        layers = read_layers(converted_weights(ASTRA, tmp_path))
    except DownloadError as error:
        pytest.skip(str(error))
    x = keras.Input((64, 64, 60))
    model = keras.Model(x, zoo_network(x, "linknet", "resnet152", "transpose", masks=3, prefix="linknet"))
    assert copy_weights(layers, model, "linknet") == len(layers) == 306
    encoder = {layer.name for layer in model.layers if layer.weights and layer.name.startswith("linknet_")}
    assert encoder - {f"linknet_{name}" for name in layers} == {"linknet_conv0", "linknet_bn_data"}
    assert all(np.isfinite(array).all() for arrays in layers.values() for array in arrays)
