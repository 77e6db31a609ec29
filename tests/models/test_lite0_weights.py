"""The name map by shapes and places; the whole by what PyTorch itself computes from the same checkpoint."""

from pathlib import Path

import keras
import numpy as np
import pytest

from spine_tf.models.encoders import copy_weights, encode
from spine_tf.models.lite0_weights import lite0_layers
from spine_tf.models.weight_files import LITE0, converted_weights, read_layers
from spine_tf.support.errors import DownloadError
from tests.support.paths import ROOT

REFERENCE = [0.8754424, 4.2240033, -0.0501615, 0.2793366, -0.6032666, 0.4043825, 1.1463101, 2.0369276]
"""The first 8 channels in the middle of the last block's map, of the ramp below, by `efficientnet-lite-pytorch`."""
REFERENCE_MEAN, REFERENCE_STD = -0.0395027, 1.7948368


def lite0(side: int) -> keras.Model:
    inputs = keras.Input((side, side, 3))
    return keras.Model(inputs, encode(inputs, "efficientnetlite0", "none", "axial"))


def pytorch_state() -> dict[str, np.ndarray]:
    """Random weights under PyTorch's names; shapes of EfficientNet-Lite0, written down from the paper's table."""
    rng = np.random.default_rng(0)
    state = {"_conv_stem.weight": rng.random((32, 3, 3, 3)), "_conv_head.weight": rng.random((1280, 320, 1, 1))}
    widths = [32, 16, 24, 24, 40, 40, 80, 80, 80, 112, 112, 112, 192, 192, 192, 192, 320]
    kernels = [3, 3, 3, 5, 5, 3, 3, 3, 5, 5, 5, 5, 5, 5, 5, 3]
    normalized = {"_bn0": 32, "_bn1": 1280}
    for n, (before, after, kernel) in enumerate(zip(widths, widths[1:], kernels, strict=False)):
        inner = before * (6 if n else 1)
        if n:
            state[f"_blocks.{n}._expand_conv.weight"] = rng.random((inner, before, 1, 1))
            normalized[f"_blocks.{n}._bn0"] = inner
        state[f"_blocks.{n}._depthwise_conv.weight"] = rng.random((inner, 1, kernel, kernel))
        state[f"_blocks.{n}._project_conv.weight"] = rng.random((after, inner, 1, 1))
        normalized |= {f"_blocks.{n}._bn1": inner, f"_blocks.{n}._bn2": after}
    for name, channels in normalized.items():
        for number, part in enumerate(("weight", "bias", "running_mean", "running_var")):
            state[f"{name}.{part}"] = rng.random(channels) + number
        state[f"{name}.num_batches_tracked"] = np.int64(7)
    return state


def test_every_layer_of_the_encoder_gets_its_weights():
    model, state = lite0(32), pytorch_state()
    layers = lite0_layers(state)
    assert copy_weights(layers, model, "axial") == len(layers) == sum(bool(layer.weights) for layer in model.layers)
    # Kernels: theirs (out, in, h, w), ours (h, w, in, out). Block 3 begins with their repetition 3, counted from 0.
    stem = model.get_layer("axial_stem_conv").get_weights()[0]
    assert stem[0, 2, 1, 31] == np.float32(state["_conv_stem.weight"][31, 1, 0, 2])
    depthwise = model.get_layer("axial_block3a_dwconv").get_weights()[0]
    assert depthwise[4, 1, 100, 0] == np.float32(state["_blocks.3._depthwise_conv.weight"][100, 0, 4, 1])
    gamma, beta, mean, variance = model.get_layer("axial_block6d_project_bn").get_weights()
    expected = [state[f"_blocks.14._bn2.{part}"][5] for part in ("weight", "bias", "running_mean", "running_var")]
    np.testing.assert_allclose([gamma[5], beta[5], mean[5], variance[5]], expected, rtol=1e-6)


def assert_same_as_pytorch(weights: Path) -> None:
    model = lite0(224)
    copy_weights(read_layers(weights), model, "axial")
    y, x, channel = np.meshgrid(np.arange(224), np.arange(224), np.arange(3), indexing="ij")
    ramp = ((x + 2 * y + 37 * channel) % 256).astype("float32") / 255
    features = np.asarray(model(ramp[None])[-1][0])  # (7, 7, 320)
    np.testing.assert_allclose(features[3, 3, :8], REFERENCE, atol=5e-5)
    np.testing.assert_allclose([features.mean(), features.std()], [REFERENCE_MEAN, REFERENCE_STD], atol=5e-5)


def test_the_features_are_pytorchs_where_the_weights_were_fetched():
    weights = ROOT / "data" / "weights" / f"{LITE0.name}.npz"
    if not weights.exists():
        pytest.skip("no converted weights in data/weights; scripts/fetch_weights.py fetches them")
    assert_same_as_pytorch(weights)


@pytest.mark.slow
def test_the_features_are_pytorchs(tmp_path):
    try:
        weights = converted_weights(LITE0, tmp_path)
    except DownloadError as error:
        pytest.skip(str(error))
    assert_same_as_pytorch(weights)
