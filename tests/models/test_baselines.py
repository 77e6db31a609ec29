"""`models/baselines.py`: networks of single slices, other networks behind the branches, LinkNet-152 alone."""

import inspect
import json
import resource
from dataclasses import replace

import keras
import numpy as np
import pytest

from spine_tf.config import ARCHITECTURES, PRESETS, VIEWS, ModelConfig, PreprocessSpec, to_dict
from spine_tf.inference.engines import load_engine
from spine_tf.inference.volume import segment_volume
from spine_tf.models import BUILDERS, build_model
from spine_tf.models.baselines import build_stacked_linknet, single_view
from spine_tf.models.encoders import layer_weights
from spine_tf.models.linknet import NETWORKS, load_segmentation_models
from spine_tf.models.pretrained import load_pretrained, read_pretrained
from spine_tf.models.weight_files import write_layers
from spine_tf.pruning.surgery import remove_filters
from spine_tf.pruning.zeroing import zero_filters
from spine_tf.scans import volume_from_array
from tests.support.scans import shaken

PAPER_ENCODERS = ("resnet34", "mobilenetv2", "resnet50", "efficientnetb7")
IMAGENET_MEAN, IMAGENET_STD = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])

pytestmark = pytest.mark.filterwarnings("ignore:This model usually expects")


def triplets(side: int = 32, batch: int = 1) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {view: rng.random((batch, side, side, 3), dtype="float32") for view in VIEWS}


def original(network: str, encoder: str, side: int, decoder: str = "transpose") -> keras.Model:
    """The network of segmentation-models for pictures of 3 channels and 1 class."""
    row = NETWORKS[network]
    options = {"decoder_block_type": decoder} if row.two_decoders else {}
    build = getattr(load_segmentation_models(), row.builder)
    return build(encoder, (side, side, 3), classes=1, activation="sigmoid", encoder_weights=None, **options)


def tiny(architecture: str, **switches) -> keras.Model:
    keras.utils.set_random_seed(0)
    encoder = "resnet18" if architecture in NETWORKS else "tiny"
    return build_model(replace(PRESETS["tiny"].model, architecture=architecture, encoder=encoder, **switches), 32)


def assert_each_mask_is_the_originals(network: str, encoder: str, side: int, framed: int) -> None:
    """The mask of a view is what segmentation-models makes of its slice alone, in a frame of zeros if it needs one."""
    reference = shaken(original(network, encoder, framed), np.random.default_rng(0))
    model = single_view(side, network, encoder)
    assert model.count_params() == reference.count_params()
    model.set_weights(reference.get_weights())
    views, frame = triplets(side), (framed - side) // 2
    masks = np.asarray(model(views))
    assert masks.shape == (1, side, side, 3)
    for number, slices in enumerate(views.values()):
        seen = (slices - IMAGENET_MEAN) / IMAGENET_STD if encoder.startswith("efficientnet") else slices
        seen = np.pad(seen, ((0, 0), (frame, frame), (frame, frame), (0, 0)))
        expected = np.asarray(reference(seen))[:, frame : frame + side, frame : frame + side, 0]
        np.testing.assert_allclose(masks[..., number], expected, atol=1e-4)


@pytest.mark.parametrize(("network", "framed"), [("linknet", 32), ("fpn", 32), ("pspnet", 48), ("unet", 32)])
def test_each_mask_is_that_of_segmentation_models_for_its_own_slice(network, framed):
    assert_each_mask_is_the_originals(network, "resnet18", 32, framed)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "encoder", "side", "framed"),
    [
        ("unet", "efficientnetb0", 64, 64),
        ("linknet", "seresnet18", 64, 64),
        ("unet", "seresnet50", 64, 64),
        ("fpn", "mobilenetv2", 64, 64),
        ("pspnet", "vgg16", 64, 96),
        ("linknet", "inceptionv3", 96, 96),
        ("unet", "inceptionresnetv2", 96, 96),
    ],
)
def test_stand_ins_compute_what_the_encoders_own_layers_do(network, encoder, side, framed):
    assert_each_mask_is_the_originals(network, encoder, side, framed)


def test_a_view_changes_its_own_mask_alone():
    model, views = tiny("pspnet"), triplets()
    before = np.asarray(model(views))
    views["coronal"] = 1 - views["coronal"]
    changed = np.abs(np.asarray(model(views)) - before).max(axis=(0, 1, 2))
    assert changed[1] > 0
    np.testing.assert_array_equal(changed[[0, 2]], 0)


@pytest.mark.parametrize(("side", "framed"), [(96, 96), (128, 144), (256, 288)])
def test_the_pspnet_sees_a_side_that_48_divides_and_answers_at_its_own(side, framed):
    model = single_view(side, "pspnet", "resnet18")
    assert model.get_layer("shared_bn_data").output.shape[1:] == (framed, framed, 3)
    assert model.output.shape == (None, side, side, 3)


@pytest.mark.parametrize(
    ("encoder", "parameters"),
    [
        ("resnet34", 21_637_274),
        pytest.param("resnet152", 63_517_466, marks=pytest.mark.slow),
        pytest.param("efficientnetb7", 72_264_417, marks=pytest.mark.slow),
    ],
)
def test_known_parameter_counts(encoder, parameters):
    """Of segmentation-models' own default, upsampling; they depend neither on the side nor on the number of views."""
    assert single_view(32, "linknet", encoder, "upsampling").count_params() == parameters


@pytest.mark.parametrize(
    ("architecture", "switches"),
    [
        ("attention_pspnet", {"share_branches": True}),
        pytest.param("attention_fpn", {}, marks=pytest.mark.slow),
        pytest.param("attention_unet", {}, marks=pytest.mark.slow),
        ("stacked_linknet", {}),
    ],
)
def test_behind_the_branches_and_without_them_every_view_reaches_every_mask(architecture, switches):
    model, views = tiny(architecture, **switches), triplets()
    before = np.asarray(model(views))
    for view in VIEWS:
        changed = np.asarray(model(views | {view: 1 - views[view]}))
        assert np.abs(changed - before).max(axis=(0, 1, 2)).min() > 0
    names = [layer.name for layer in model.layers]
    prefix = "linknet_" if architecture == "stacked_linknet" else architecture.removeprefix("attention_") + "_"
    assert prefix + "stage1_unit1_conv1" in names
    branch = "shared" if switches else "axial"
    assert (f"{branch}_block1_attention" in names) == (architecture != "stacked_linknet")


def test_linknet_alone_is_the_proposed_network_less_its_branches():
    alone, whole = build_stacked_linknet(32, "resnet18"), tiny("attention_linknet")
    branches = tuple(f"{view}_" for view in VIEWS)
    rest = {layer.name: layer.count_params() for layer in whole.layers if not layer.name.startswith(branches)}
    assert set(rest) == {layer.name for layer in alone.layers}
    # Nine channels instead of sixty are normalised and read by 64 filters of 7 x 7.
    channels = 3 + 7 * 7 * 64  # normalisation without scale has three weights a channel
    assert sum(rest.values()) - alone.count_params() == (60 - 9) * channels


def test_every_architecture_has_a_builder_that_takes_what_the_config_says():
    assert BUILDERS.keys() == ARCHITECTURES.keys()
    for name, build in BUILDERS.items():
        read = {*ARCHITECTURES[name], "norm_momentum"}
        taken = set(inspect.signature(build).parameters) - {"image_size", "network"}
        # FPN and PSPNet have one decoder, but the same builder as those with two.
        assert read == taken - ({"decoder"} - read)


def test_momentum_of_the_config_reaches_the_normalisation():
    model = tiny("unet", norm_momentum=0.9)
    assert {layer.momentum for layer in model.layers if "bn" in layer.name and hasattr(layer, "momentum")} == {0.9}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((48, "unet", "resnet18"), "image_size must be a multiple of 32"),
        ((32, "segnet", "resnet18"), "network must be one of"),
        ((32, "unet", "efficientnetlite0"), "encoder must be one of"),
        ((32, "unet", "densenet121"), "encoder must be one of"),
        ((32, "unet", "resnext50"), "encoder must be one of"),
        ((32, "unet", "resnet18", "nearest"), "decoder must be one of"),
    ],
)
def test_what_cannot_be_built_is_refused(arguments, message):
    with pytest.raises(ValueError, match=rf"{message}.*Received: "):
        single_view(*arguments)


def test_imagenet_weights_of_an_efficientnet_fit(tmp_path):
    reference = keras.applications.EfficientNetB0(include_top=False, weights=None, input_shape=(32, 32, 3))
    layers = layer_weights(reference)
    write_layers(tmp_path / "weights" / "efficientnetb0-imagenet.npz", layers)
    tiny = PRESETS["tiny"]
    config = replace(
        tiny,
        model=ModelConfig(architecture="pspnet", encoder="efficientnetb0"),
        train=replace(tiny.train, encoder_weights="imagenet"),
    )
    model = build_model(config.model, 32)
    (record,) = load_pretrained(model, read_pretrained(config, tmp_path))
    encoder = [layer for layer in model.layers if layer.name.startswith("shared_") and layer.weights]
    assert record["layers"] == len(encoder)
    assert record["fresh"] == []
    for layer in encoder:
        for mine, theirs in zip(layer.get_weights(), layers[layer.name.removeprefix("shared_")], strict=True):
            np.testing.assert_array_equal(mine, theirs)


def prove(model: keras.Model, folder) -> None:
    """It takes a training step, is saved and loaded, loses half of its filters, and segments a volume."""
    side = model.output.shape[1]
    model.compile("sgd", "binary_crossentropy", jit_compile=False)
    before = [np.asarray(weight) for weight in model.trainable_variables]
    model.train_on_batch(triplets(side, 2), np.zeros((2, side, side, 3), "float32"))
    changes = zip(before, model.trainable_variables, strict=True)
    # A filter whose rectifier is shut for the whole batch gets no gradient.
    assert np.mean([np.abs(old - np.asarray(new)).max() > 0 for old, new in changes]) > 0.9

    structure = zero_filters(shaken(model, np.random.default_rng(0)), 0.5, criterion="random").structure
    assert {layer for layer in structure.whole if not layer.endswith("_attention_spatial_conv")} == {"head_conv"}
    smaller, views = remove_filters(model), triplets(side)
    np.testing.assert_allclose(smaller(views), model(views), atol=1e-5)
    assert smaller.count_params() < 0.6 * model.count_params()

    smaller.save(folder / "best.keras")
    again = keras.saving.load_model(folder / "best.keras", safe_mode=True)
    np.testing.assert_array_equal(again(views), smaller(views))
    spec = PreprocessSpec(image_size=side, body_box=False)
    (folder / "metadata.json").write_text(json.dumps({"preprocess": to_dict(spec)}))
    hu = np.random.default_rng(0).integers(-500, 1500, (9, 12, 10)).astype(np.int16)
    result = segment_volume(volume_from_array(hu, np.eye(4)), load_engine(folder, batch_size=4), batch_size=4)
    assert result.mask.shape == (9, 12, 10)
    assert np.isfinite(result.probability).all()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{model.name}: {model.count_params():,} parameters, peak of this process so far {peak:.1f} GiB")


def test_a_network_of_slices_goes_all_the_way(tmp_path):
    prove(tiny("pspnet"), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("encoder", ["resnet18", *PAPER_ENCODERS])
@pytest.mark.parametrize("network", NETWORKS)
def test_every_network_of_the_paper_with_each_of_its_encoders(network, encoder, tmp_path):
    keras.utils.set_random_seed(0)
    prove(build_model(ModelConfig(architecture=network, encoder=encoder), 32), tmp_path)
    keras.backend.clear_session()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("encoder", "side"),
    [("seresnet18", 32), ("mobilenet", 32), ("vgg16", 32), ("inceptionv3", 96), ("inceptionresnetv2", 96)],
)
def test_a_network_with_each_other_kind_of_encoder(encoder, side, tmp_path):
    keras.utils.set_random_seed(0)
    prove(build_model(ModelConfig(architecture="unet", encoder=encoder), side), tmp_path)
    keras.backend.clear_session()


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["attention_fpn", "attention_pspnet", "attention_unet", "stacked_linknet"])
def test_other_networks_behind_the_branches_and_linknet_alone(architecture, tmp_path):
    prove(tiny(architecture), tmp_path)
