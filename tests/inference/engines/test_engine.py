import json
import os
import shutil

import numpy as np
import pytest
import tensorflow as tf

from spine_tf.config import PreprocessSpec
from spine_tf.inference.engines import Engine, load_engine
from spine_tf.support.errors import ModelError


def test_a_run_folder_and_its_file_are_the_same_engine(threshold_run):
    views = [np.random.default_rng(i).random((5, 32, 32, 3), np.float32) for i in range(3)]
    by_folder, by_file = load_engine(threshold_run), load_engine(threshold_run / "best.keras", batch_size=2)
    masks = by_folder.predict(*views)
    assert masks.shape == (5, 32, 32, 3)
    wanted = np.stack([view[..., 1] > 0.5 for view in views], axis=-1)
    clear = np.abs(np.stack([view[..., 1] for view in views], axis=-1) - 0.5) > 0.05
    np.testing.assert_array_equal((masks > 0.5)[clear], wanted[clear])
    np.testing.assert_allclose(
        np.concatenate([by_file.predict(*(v[i : i + 2] for v in views)) for i in (0, 2, 4)]), masks
    )
    assert by_folder.spec.image_size == 32


def test_keras_takes_two_batches_at_a_time_if_there_are_cores_a_lite_file_one(
    threshold_run, threshold_lite, monkeypatch
):
    gpu, threading = "/physical_device:GPU:0", tf.config.threading
    for cores, threads, gpus, at_once in ((1, 0, [], 1), (2, 0, [], 2), (8, 0, [], 2), (8, 1, [], 1), (8, 0, [gpu], 1)):
        monkeypatch.setattr("spine_tf.support.device.cores", lambda n=cores: n)
        monkeypatch.setattr(threading, "get_intra_op_parallelism_threads", lambda n=threads: n)
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None, found=gpus: found)
        assert load_engine(threshold_run).at_once == at_once
        assert load_engine(threshold_lite).at_once == 1


def test_a_model_without_metadata_is_refused(threshold_run, tmp_path):
    shutil.copy(threshold_run / "best.keras", tmp_path)
    with pytest.raises(ModelError, match=r"metadata\.json must lie beside the model"):
        load_engine(tmp_path / "best.keras")


@pytest.mark.parametrize("text", ["{", "{}", '{"preprocess": {"image_size": 33}}', '{"preprocess": {"colour": 1}}'])
def test_metadata_that_does_not_fit_is_refused(threshold_run, tmp_path, text):
    shutil.copy(threshold_run / "best.keras", tmp_path)
    (tmp_path / "metadata.json").write_text(text)
    with pytest.raises(ModelError, match="Received"):
        load_engine(tmp_path)


def test_another_image_size_than_the_networks_is_refused(threshold_run, tmp_path):
    shutil.copytree(threshold_run, tmp_path / "run")
    metadata = json.loads((threshold_run / "metadata.json").read_text())
    metadata["preprocess"]["image_size"] = 64
    (tmp_path / "run" / "metadata.json").write_text(json.dumps(metadata))
    with pytest.raises(ModelError, match="as its metadata says"):
        load_engine(tmp_path / "run")


@pytest.mark.parametrize("name", ["model.h5", "missing.keras", "folder"])
def test_what_is_not_a_model_is_refused(tmp_path, name):
    with pytest.raises(ModelError, match=r"model must be a \.keras or \.tflite file"):
        load_engine(tmp_path / name)


def _engine(answer) -> Engine:
    return Engine(answer, PreprocessSpec(image_size=32), {}, "by hand", volume=lambda hu, mm: (answer(hu), hu > 0))


@pytest.mark.parametrize(
    ("value", "words"), [(np.nan, "nan to nan"), (1.01, "1.01 to 1.01"), (-np.inf, "-inf to -inf")]
)
def test_what_is_no_probability_is_refused_by_the_models_name(value, words):
    engine = _engine(lambda *views: np.full(views[0].shape, value, np.float32))
    for call in (
        lambda: engine.predict(*np.zeros((3, 2, 32, 32, 3))),
        lambda: engine.volume(np.zeros((4, 4, 4)), (1, 1, 1)),
    ):
        with pytest.raises(ModelError, match=rf"^by hand must answer probabilities in \[0, 1\]\. Received: {words}$"):
            call()


def test_one_voxel_that_is_no_number_is_enough():
    def answer(*views):
        found = np.zeros(views[0].shape, np.float32)
        found[-1, -1, -1, -1] = np.nan
        return found

    with pytest.raises(ModelError, match="nan to nan"):
        _engine(answer).predict(*np.zeros((3, 2, 32, 32, 3)))


def test_an_answer_of_another_shape_is_refused():
    with pytest.raises(ModelError, match=r"^by hand must answer \(2, 32, 32, 3\)\. Received: \(1, 32, 32, 3\)$"):
        _engine(lambda *views: views[0][:1]).predict(*np.zeros((3, 2, 32, 32, 3)))


def test_a_forked_child_is_told_instead_of_hanging(threshold_run):
    engine = load_engine(threshold_run)
    views = np.zeros((3, 1, 32, 32, 3), np.float32)
    engine.predict(*views)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            engine.predict(*views)
        except ModelError as error:
            os.write(write, str(error).encode())
        finally:
            os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    with os.fdopen(read) as said:
        assert said.read() == (
            "an engine must be used in the process that loaded it; start processes with 'spawn', not 'fork', "
            "and load one in each. Received: best.keras in another"
        )


def test_the_digest_is_that_of_the_network_and_its_metadata(threshold_lite, tmp_path):
    first = load_engine(threshold_lite).sha256
    for path in (threshold_lite, threshold_lite.parent / "metadata.json"):
        shutil.copy(path, tmp_path)
    assert load_engine(tmp_path / "x.tflite").sha256 == first
    metadata = json.loads((tmp_path / "metadata.json").read_text())
    metadata["preprocess"]["threshold"] = 0.4
    (tmp_path / "metadata.json").write_text(json.dumps(metadata))
    assert load_engine(tmp_path / "x.tflite").sha256 != first
