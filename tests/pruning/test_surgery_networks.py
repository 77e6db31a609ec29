"""Surgery on the networks that pruning is for: half of the groups at random are removed, one answer compared."""

import dataclasses

import keras
import numpy as np
import pytest

from spine_tf.config import PRESETS
from spine_tf.models import build_model
from spine_tf.models.linknet import load_segmentation_models
from spine_tf.pruning.groups import Structure, find_groups
from spine_tf.pruning.selection import choose_groups
from spine_tf.pruning.surgery import remove_filters
from spine_tf.pruning.weight_masks import zero_groups
from tests.support.scans import shaken


def check(model: keras.Model, amount: float = 0.5, brightest: float = 1.0) -> tuple[Structure, keras.Model]:
    """Remove groups at random; outputs are those of the zeroed model. Returns the structure and the smaller model."""
    rng = np.random.default_rng(0)
    structure = find_groups(shaken(model, rng))
    removed = choose_groups(structure, rng.random(len(structure.groups)), amount)
    assert abs(structure.share(removed) - amount) < 0.02
    images = {tensor.name: brightest * rng.random((2, *tensor.shape[1:]), "float32") for tensor in model.inputs}
    images = images if len(images) > 1 else next(iter(images.values()))
    smaller = remove_filters(model, [structure.groups[number] for number in removed])
    whole = np.asarray(model(images, training=False))
    zero_groups(structure, removed)
    zeroed = np.asarray(model(images, training=False))
    np.testing.assert_allclose(np.asarray(smaller(images, training=False)), zeroed, atol=1e-5)
    assert np.abs(zeroed - whole).max() > 1e-3
    assert [layer.name for layer in smaller.layers] == [layer.name for layer in model.layers]
    return structure, smaller


def tiny(side: int = 32, **switches) -> keras.Model:
    keras.utils.set_random_seed(0)
    return build_model(dataclasses.replace(PRESETS["tiny"].model, **switches), side)


@pytest.mark.slow
def test_attention_linknet_with_a_shared_branch(tmp_path):
    model = tiny(share_branches=True)
    structure, smaller = check(model)
    # Only the masks' own layer and the maps of spatial attention, one channel each, stay whole.
    assert set(structure.whole) == {
        "head_conv",
        *(f"shared_block{number}_attention_spatial_conv" for number in range(1, 5)),
    }
    assert smaller.count_params() < 0.4 * model.count_params()
    smaller.save(tmp_path / "smaller.keras")
    again = keras.saving.load_model(tmp_path / "smaller.keras")
    images = {tensor.name: np.ones((1, 32, 32, 3), "float32") for tensor in model.inputs}
    np.testing.assert_array_equal(again(images), smaller(images))


@pytest.mark.slow
@pytest.mark.parametrize(
    "switches",
    [
        {},
        {"fusion": "add", "attention": "se"},
        {"fusion": "add", "attention": "none", "share_branches": True},
        {"fusion_stride": 2, "attention": "se", "decoder": "upsampling", "share_branches": True},
        {"fusion_stride": 2, "attention": "none", "encoder": "efficientnetlite0"},
        {"linknet_encoder": "resnet50", "share_branches": True},
        {"linknet_encoder": "mobilenetv2", "share_branches": True},
    ],
    ids=lambda switches: "-".join(map(str, switches.values())) or "defaults",
)
def test_attention_linknet_with_every_switch(switches):
    check(tiny(side=64 if "fusion_stride" in switches else 32, **switches))


@pytest.mark.slow
@pytest.mark.parametrize("encoder", ["resnet34", "mobilenetv2", "resnet50", "efficientnetb7"])
@pytest.mark.parametrize("architecture", ["Linknet", "FPN", "PSPNet", "Unet"])
def test_segmentation_models(architecture, encoder):
    side = 48 if architecture == "PSPNet" else 32
    build = getattr(load_segmentation_models(), architecture)
    structure, _ = check(
        build(encoder, input_shape=(side, side, 3), classes=3, activation="sigmoid", encoder_weights=None)
    )
    assert list(structure.whole.values()) == ["is an output of the model"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["MobileNetV2", "EfficientNetB0", "ResNet50V2", "Xception", "DenseNet121", "VGG16"])
def test_classifiers_of_keras(name):
    side = 71 if name == "Xception" else 32
    model = getattr(keras.applications, name)(weights=None, input_shape=(side, side, 3), classes=5)
    structure, smaller = check(model, brightest=255.0)
    assert set(structure.whole) == {"predictions"}
    assert smaller.count_params() < 0.6 * model.count_params()


@pytest.mark.slow
def test_preset_paper():
    """3.5 GiB of memory, at a quarter of the side."""
    keras.utils.set_random_seed(0)
    structure, smaller = check(build_model(PRESETS["paper"].model, 64))
    assert len(structure.whole) == 1 + 3 * 4
    assert smaller.count_params() < 100e6
