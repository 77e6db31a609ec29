import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from spine_tf.config import VIEWS
from spine_tf.export.litert import write_litert
from spine_tf.inference.engines import load_engine
from spine_tf.inference.engines.litert import litert_predictor
from spine_tf.support.errors import ModelError


@pytest.fixture(scope="module")
def lite(threshold_run, tmp_path_factory):
    path = tmp_path_factory.mktemp("engine_litert") / "model.tflite"
    write_litert(keras.saving.load_model(threshold_run / "best.keras", compile=False), path, "float32")
    return path


@pytest.fixture(scope="module")
def triplets():
    return np.random.default_rng(0).random((3, 11, 32, 32, 3), np.float32)


def _convert(function, folder, *shapes):
    """A .tflite file of any function of tensors of these shapes."""
    specs = [tf.TensorSpec(shape, tf.float32, name) for name, shape in zip(VIEWS, shapes, strict=False)]
    module = tf.Module()
    module.f = tf.function(function, input_signature=specs)
    tf.saved_model.save(module, str(folder / "saved"), signatures={"serving_default": module.f})
    path = folder / "x.tflite"
    path.write_bytes(tf.lite.TFLiteConverter.from_saved_model(str(folder / "saved")).convert())
    return path


@pytest.mark.parametrize("n", [1, 3, 4, 5, 11])
def test_any_number_of_triplets_goes_through(lite, threshold_run, triplets, n):
    expected = load_engine(threshold_run, batch_size=11).predict(*triplets)
    for threads in (1, 2, None):
        found = litert_predictor(lite, 32, 8, threads)(*triplets[:, :n])
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected[:n], atol=1e-4)


def test_predictions_do_not_share_memory(lite, triplets):
    predict = litert_predictor(lite, 32, 8)
    first = predict(*triplets[:, :4])
    kept = first.copy()
    predict(*triplets[:, 4:8])
    np.testing.assert_array_equal(first, kept)


def test_a_file_that_leaves_its_batch_open_is_run_in_batches(tmp_path, triplets):
    def network(axial, coronal, sagittal):
        return {"mask": (axial + coronal + sagittal) / 3}

    path = _convert(network, tmp_path, *[(None, 32, 32, 3)] * 3)
    np.testing.assert_allclose(litert_predictor(path, 32, 2)(*triplets[:, :5]), triplets[:, :5].mean(0), atol=1e-6)


@pytest.mark.parametrize("content", [b"", b"not a flatbuffer at all, and short", b"\0" * 4096])
def test_what_is_no_flatbuffer_is_refused(tmp_path, content):
    (tmp_path / "x.tflite").write_bytes(content)
    with pytest.raises(ModelError, match="model must be a LiteRT file made by this project"):
        litert_predictor(tmp_path / "x.tflite", 32, 8)


def test_a_file_cut_short_is_refused(lite, tmp_path):
    content = lite.read_bytes()
    (tmp_path / "x.tflite").write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError, match="model must be a LiteRT file made by this project"):
        litert_predictor(tmp_path / "x.tflite", 32, 8)


def test_another_signature_is_refused(tmp_path):
    path = _convert(lambda axial, coronal: {"mask": axial + coronal}, tmp_path, *[(4, 32, 32, 3)] * 2)
    with pytest.raises(ModelError, match=r"must have the signature serving_default of .* Received: .*x\.tflite"):
        litert_predictor(path, 32, 8)


def test_other_sizes_are_refused(lite, tmp_path):
    with pytest.raises(ModelError, match=r"slices and masks \(batch, 64, 64, 3\) float32, as its metadata says"):
        litert_predictor(lite, 64, 8)

    def one_mask(axial, coronal, sagittal):
        return {"mask": (axial + coronal + sagittal)[..., :1]}

    with pytest.raises(ModelError, match=r"'mask': \[4, 32, 32, 1\]"):
        litert_predictor(_convert(one_mask, tmp_path, *[(4, 32, 32, 3)] * 3), 32, 8)


def test_a_file_without_metadata_is_refused(lite, tmp_path):
    shutil.copy(lite, tmp_path / "x.tflite")
    with pytest.raises(ModelError, match=r"metadata\.json must lie beside the model"):
        load_engine(tmp_path / "x.tflite")


def test_neither_tensorflow_nor_keras_is_imported(lite):
    code = (
        "import sys; from spine_tf.inference.engines.litert import litert_predictor as load; load(sys.argv[1], 32, 8);"
        "print([n for n in ('tensorflow', 'keras', 'h5py') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, lite], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
