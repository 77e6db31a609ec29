import time

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from spine_tf.config import ARCHITECTURES, PRESETS, VIEWS, ModelConfig
from spine_tf.export.litert import SCHEMES, triplets_at_once, write_litert
from spine_tf.inference.engines import load_engine
from spine_tf.inference.engines.litert import litert_predictor
from spine_tf.models import BUILDERS, build_model
from spine_tf.models.float16 import write_half
from spine_tf.pruning import remove_filters
from spine_tf.support.files import write_json
from tests.support.scans import shaken


@pytest.fixture(scope="module")
def triplets():
    return np.random.default_rng(0).random((3, 11, 32, 32, 3), np.float32)


@pytest.fixture(scope="module")
def files(threshold_run, tmp_path_factory, triplets):
    folder = tmp_path_factory.mktemp("litert")
    model = keras.saving.load_model(threshold_run / "best.keras", compile=False)
    for scheme in SCHEMES:
        write_litert(model, folder / f"{scheme}.tflite", scheme, [tuple(triplets[:, :8])])
    write_json(folder / "metadata.json", load_engine(threshold_run).metadata)
    return folder


def test_float32_is_keras(files, threshold_run, triplets):
    expected = load_engine(threshold_run).predict(*triplets)
    np.testing.assert_allclose(load_engine(files / "float32.tflite").predict(*triplets), expected, atol=1e-4)


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_a_network_of_mixed_precision_becomes_a_file_of_float32(precision, triplets, tmp_path):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        inputs = [keras.Input((32, 32, 3), dtype="float32", name=view) for view in VIEWS]
        logits = keras.layers.Conv2D(3, 3, padding="same")(keras.layers.Concatenate()(inputs))
        model = keras.Model(inputs, keras.layers.Activation("sigmoid", dtype="float32")(logits))
    finally:
        keras.config.set_dtype_policy(policy)
    write_litert(model, tmp_path / "x.tflite", "float32")
    found = litert_predictor(tmp_path / "x.tflite", 32, 4)(*triplets[:, :4])
    expected = model(dict(zip(VIEWS, triplets[:, :4], strict=True)))
    np.testing.assert_allclose(found, expected, atol=2e-2)


def test_the_views_are_told_apart(files):
    views = np.zeros((3, 1, 32, 32, 3), np.float32)
    views[1] = 1
    for scheme in SCHEMES:
        mask = load_engine(files / f"{scheme}.tflite").predict(*views)
        assert [bool(mask[..., number].min() > 0.5) for number in range(len(VIEWS))] == [False, True, False]


def test_quantised_masks_are_near_keras(files, threshold_run, triplets):
    # The network's sigmoid is steep: only pixels at the threshold itself may change sides.
    expected = load_engine(threshold_run).predict(*triplets)
    clear = np.abs(expected - 0.5) > 0.49
    assert clear.mean() > 0.9
    for scheme in SCHEMES[1:]:
        found = load_engine(files / f"{scheme}.tflite").predict(*triplets)
        assert ((found > 0.5) == (expected > 0.5))[clear].mean() > 0.999


def test_what_cannot_be_converted_is_refused(threshold_run, tmp_path):
    model = keras.saving.load_model(threshold_run / "best.keras", compile=False)
    with pytest.raises(ValueError, match=r"scheme must be one of .* Received: scheme='int4'"):
        write_litert(model, tmp_path / "x.tflite", "int4")
    with pytest.raises(ValueError, match="calibration must hold triplets"):
        write_litert(model, tmp_path / "x.tflite", "static_int8")
    with pytest.raises(ValueError, match="batch must be at least 1"):
        write_litert(model, tmp_path / "x.tflite", "float32", batch=0)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("image_size", "triplets"), [(32, 4), (128, 4), (181, 2), (256, 1), (512, 1)])
def test_large_slices_come_fewer_at_once_in_floating_point(image_size, triplets):
    assert triplets_at_once("float32", image_size) == triplets_at_once("float16", image_size) == triplets
    assert triplets_at_once("dynamic_int8", image_size) == triplets_at_once("static_int8", image_size) == 4


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_has_the_named_float32_signature(files, scheme):
    interpreter = Interpreter(model_path=str(files / f"{scheme}.tflite"))
    assert interpreter.get_signature_list() == {"serving_default": {"inputs": sorted(VIEWS), "outputs": ["mask"]}}
    runner = interpreter.get_signature_runner("serving_default")
    for tensor in (runner.get_input_details() | runner.get_output_details()).values():
        assert tensor["dtype"] == np.float32
        assert tensor["shape_signature"].tolist() == [4, 32, 32, 3]


def _beside_keras(model, path, scheme="float32"):
    """Mask by Keras and by the file, for five triplets."""
    triplets = np.random.default_rng(1).random((3, 5, 32, 32, 3), np.float32)
    write_litert(model, path, scheme, [tuple(triplets)])
    return model.predict_on_batch(dict(zip(VIEWS, triplets, strict=True))), litert_predictor(path, 32, 8)(*triplets)


def test_a_pruned_network_with_weights_stored_as_half(pruned_run, plain_run, tmp_path):
    write_half(pruned_run / "best.keras", tmp_path / "half.keras")
    model = keras.saving.load_model(tmp_path / "half.keras", compile=False)
    assert model.count_params() < keras.saving.load_model(plain_run / "best.keras").count_params()
    expected, found = _beside_keras(model, tmp_path / "x.tflite")
    assert expected.std() > 0.01
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", BUILDERS)
def test_every_architecture_converts(architecture, tmp_path):
    fields = {"linknet_encoder": "resnet18"} if "linknet_encoder" in ARCHITECTURES[architecture] else {}
    single = architecture in ("linknet", "fpn", "pspnet", "unet")
    fields |= {"stream_width": 0.25} if architecture == "hyperdensenet" else {}
    keras.utils.set_random_seed(0)
    encoder = "resnet18" if single else "tiny"
    model = shaken(build_model(ModelConfig(architecture, encoder, **fields), 32), np.random.default_rng(0))
    expected, found = _beside_keras(model, tmp_path / "x.tflite")
    np.testing.assert_allclose(found, expected, atol=1e-4)
    for scheme in ("dynamic_int8", "static_int8"):
        found = _beside_keras(model, tmp_path / f"{scheme}.tflite", scheme)[1]
        assert np.abs(found - expected).mean() < 0.05, scheme


@pytest.mark.slow
def test_the_tiny_preset_pruned_converts(tmp_path):
    keras.utils.set_random_seed(0)
    tiny = PRESETS["tiny"]
    model = shaken(build_model(tiny.model, tiny.preprocess.image_size), np.random.default_rng(0))
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D) and layer.name.startswith("decoder_stage1a"):
            kernel = layer.get_weights()[0]
            kernel[..., :7] = 0
            layer.set_weights([kernel, *layer.get_weights()[1:]])
    expected, found = _beside_keras(remove_filters(model), tmp_path / "x.tflite")
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.slow
def test_the_papers_network_fits_a_laptop_as_int8(tmp_path):
    """253 million parameters at 256 px; needs some 10 GiB of memory. Prints sizes and seconds."""
    preset = PRESETS["paper"]
    model = build_model(preset.model, preset.preprocess.image_size)
    sizes = {}
    for scheme in ("float32", "dynamic_int8"):
        start = time.monotonic()
        write_litert(model, tmp_path / f"{scheme}.tflite", scheme, batch=1)
        sizes[scheme] = (tmp_path / f"{scheme}.tflite").stat().st_size / 1e6
        print(f"paper, {scheme}: {sizes[scheme]:.0f} MB in {time.monotonic() - start:.0f} s")
    # A converter folds BatchNormalization into what comes before it; the kernels stay.
    kernels = sum(np.prod(weight.shape) for weight in model.weights if weight.name == "kernel")
    assert 4 * kernels / 1e6 < sizes["float32"] < 1100
    assert sizes["dynamic_int8"] <= 300
    views = np.full((3, 1, 256, 256, 3), 0.5, np.float32)
    mask = litert_predictor(tmp_path / "dynamic_int8.tflite", 256, 1)(*views)
    expected = model.predict_on_batch(dict(zip(VIEWS, views, strict=True)))
    assert np.abs(mask - expected).mean() < 0.05
