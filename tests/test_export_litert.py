import keras
import numpy as np
import pytest

from spine_tf.config import VIEWS
from spine_tf.engines import load_engine
from spine_tf.engines.litert import litert_predictor
from spine_tf.export.litert import SCHEMES, write_litert
from spine_tf.files import write_json


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


@pytest.mark.parametrize("n", [1, 3, 8, 11])
def test_any_number_of_triplets_goes_through(files, triplets, n):
    predict = litert_predictor(files / "float32.tflite", 32, 4, threads=1)
    whole = litert_predictor(files / "float32.tflite", 32, 11)(*triplets)
    np.testing.assert_allclose(predict(*triplets[:, :n]), whole[:n], atol=1e-6)


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
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_none_or_another_is_refused(files, tmp_path):
    (tmp_path / "broken.tflite").write_bytes(b"not a flatbuffer at all, and short")
    with pytest.raises(ValueError, match="model must be a LiteRT file"):
        litert_predictor(tmp_path / "broken.tflite", 32, 8)
    with pytest.raises(ValueError, match=r"model must take slices of \[64, 64, 3\]"):
        litert_predictor(files / "float32.tflite", 64, 8)


def test_a_file_without_metadata_is_refused(files, tmp_path):
    (tmp_path / "x.tflite").write_bytes((files / "float32.tflite").read_bytes())
    with pytest.raises(ValueError, match=r"metadata\.json must lie beside the model"):
        load_engine(tmp_path / "x.tflite")
