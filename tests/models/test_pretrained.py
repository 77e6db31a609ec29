"""What a run may start from, at the size of preset `tiny`; the arrays that arrive are those that were sent."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from spine_tf.config import PRESETS, VIEWS, Config, with_changes
from spine_tf.models import build_model
from spine_tf.models.encoders import encode, layer_weights
from spine_tf.models.pretrained import load_pretrained, read_pretrained
from spine_tf.models.weight_files import write_layers
from tests.support.paths import SCRIPTS

SCRIPT = SCRIPTS / "fetch_weights.py"


def config(encoder_weights="none", linknet_weights="none", **model) -> Config:
    train = {"encoder_weights": encoder_weights, "linknet_weights": linknet_weights}
    return with_changes(PRESETS["tiny"], train=train, model=model)


def tiny_model(**model) -> keras.Model:
    return build_model(config(**model).model, 32)


def assert_equal(arrays, others) -> None:
    for array, other in zip(arrays, others, strict=True):
        np.testing.assert_array_equal(array, other)


def test_by_default_nothing_is_read_or_taken_over(tmp_path):
    assert read_pretrained(config(), tmp_path) == []
    assert load_pretrained(keras.Sequential(), []) == []
    assert list(tmp_path.iterdir()) == []


def encoder_alone(name: str) -> tuple[keras.Model, dict[str, list]]:
    """An encoder without attention, and its weights by layer."""
    inputs = keras.Input((32, 32, 3))
    encoder = keras.Model(inputs, encode(inputs, name, "none", ""))
    # Without a prefix the names of `encode` begin with the underscore that parts it from them.
    return encoder, {name.removeprefix("_"): weights for name, weights in layer_weights(encoder).items()}


@pytest.mark.parametrize("shared", [False, True])
def test_an_encoder_goes_into_every_branch(shared, tmp_path):
    _, layers = encoder_alone("tiny")
    write_layers(tmp_path / "encoder.npz", layers | {"top_conv": [np.zeros((1, 1, 24, 8))]})
    model = tiny_model(share_branches=shared, attention="none")
    before = layer_weights(model)
    (record,) = load_pretrained(model, read_pretrained(config(str(tmp_path / "encoder.npz")), tmp_path))
    branches = ["shared"] if shared else VIEWS
    assert record["layers"] == len(branches) * len(layers)
    assert (record["flag"], record["unused"]) == ("encoder_weights", ["top_conv"])
    assert record["fresh"] == sorted(f"{branch}_block{n}_projection" for branch in branches for n in (1, 2, 3, 4, 7))
    for branch in branches:
        for name, weights in layers.items():
            assert_equal(model.get_layer(f"{branch}_{name}").get_weights(), weights)
    # Projections and the LinkNet are as they were.
    taken = {f"{branch}_{name}" for branch in branches for name in layers}
    for name in before.keys() - taken:
        assert_equal(model.get_layer(name).get_weights(), before[name])


@pytest.mark.parametrize("attention", ["cbam", pytest.param("se", marks=pytest.mark.slow)])
def test_attention_starts_open(attention, tmp_path):
    encoder, layers = encoder_alone("efficientnetlite0")
    write_layers(tmp_path / "weights" / "efficientnetlite0-imagenet.npz", layers)
    settings = {"encoder": "efficientnetlite0", "share_branches": True, "attention": attention}
    model = tiny_model(**settings)
    (record,) = load_pretrained(model, read_pretrained(config("imagenet", **settings), tmp_path))
    assert record["layers"] == len(layers) == 96
    branch = keras.Model(model.get_layer("shared_scaling").input, model.get_layer("shared_block7a_project_bn").output)
    pixels = np.random.default_rng(0).random((2, 32, 32, 3), dtype="float32")
    expected = np.asarray(encoder(pixels)[-1])
    np.testing.assert_allclose(branch(pixels), expected, rtol=1e-4, atol=1e-4 * expected.std())
    # Open, but not stuck: a step of training moves the gates.
    gate = model.get_layer(f"shared_block2_attention_{'channel_expand' if attention == 'cbam' else 'expand'}")
    model.compile("sgd", "mse", jit_compile=False)
    model.train_on_batch({view: pixels for view in VIEWS}, np.ones((2, 32, 32, 3), "float32"))
    assert np.abs(gate.get_weights()[0]).max() > 0


def test_a_whole_model_gives_all_that_fits(tmp_path):
    source, model = tiny_model(), tiny_model(fusion_filters=5, attention="se")
    source.save(tmp_path / "best.keras")
    (record,) = load_pretrained(model, read_pretrained(config(str(tmp_path / "best.keras")), tmp_path))
    old, new = layer_weights(source), layer_weights(model)
    # Other projections, hence another first convolution and another normalisation of its input, and other attention.
    others = [name for name in new if "projection" in name or "attention" in name]
    assert record["fresh"] == sorted([*others, "linknet_bn_data", "linknet_conv0"])
    assert {name for name in old if "_channel_" in name} < set(record["unused"])
    assert record["layers"] == len(new) - len(record["fresh"])
    for name in new.keys() - set(record["fresh"]):
        assert_equal(new[name], old[name])
    assert (record["value"], record["source"], len(record["sha256"])) == ("best.keras", "file best.keras", 64)


def test_keras_weights_that_were_carried_over_need_no_network(tmp_path):
    reference = keras.applications.EfficientNetB0(include_top=False, weights=None, input_shape=(32, 32, 3))
    write_layers(tmp_path / "weights" / "efficientnetb0-imagenet.npz", layer_weights(reference))
    model = tiny_model(encoder="efficientnetb0", share_branches=True)
    starts = read_pretrained(config("imagenet", encoder="efficientnetb0"), tmp_path)
    (record,) = load_pretrained(model, starts)
    # Keras counts its normalisation layers up, so that layer's name depends on what the process built before.
    assert [name.rstrip("_0123456789") for name in record["unused"]] == ["normalization", "top_bn", "top_conv"]
    assert record["layers"] == len(layer_weights(reference)) - 3
    assert record["licence"] == "Apache-2.0"
    for name in ("block7a_project_conv", "block4b_se_reduce", "stem_bn"):
        assert_equal(model.get_layer(f"shared_{name}").get_weights(), reference.get_layer(name).get_weights())


def test_without_a_network_there_is_one_line(tmp_path):
    nowhere = {"https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9", "KERAS_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "efficientnetb0", "--data-root", str(tmp_path / "data")],
        env={**os.environ, **nowhere, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error")]
    assert "efficientnetb0-imagenet.npz must be brought to" in line
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("*.npz"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"encoder_weights": "imagenet"}, "encoder without ImageNet weights.*encoder='tiny'"),
        ({"encoder_weights": "best.h5"}, "'none', 'imagenet' or the path of a .keras or .npz file"),
        ({"encoder_weights": "absent.keras"}, "'none', 'imagenet' or the path of a .keras or .npz file"),
        ({"linknet_weights": "astra"}, "linknet_weights must be 'none'.*linknet_encoder='resnet18'"),
    ],
)
def test_what_there_is_not_is_refused_by_name(values, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        read_pretrained(config(**values), tmp_path)


def test_files_of_something_else_are_refused(tmp_path):
    (tmp_path / "text.keras").write_text("no model")
    with pytest.raises(ValueError, match=r"\.keras file made by this project. Received: .*text\.keras"):
        read_pretrained(config(str(tmp_path / "text.keras")), tmp_path)
    write_layers(tmp_path / "dense.npz", {"dense": [np.zeros(3)]})
    starts = read_pretrained(config(str(tmp_path / "dense.npz")), tmp_path)
    with pytest.raises(ValueError, match=r"must have layers of this network. Received: dense\.npz"):
        load_pretrained(tiny_model(share_branches=True), starts)
