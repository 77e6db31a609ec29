"""A model from somebody else is data: whatever code its file carries or names, none of it may run."""

import io
import json
import shutil
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from spine_tf.config import VIEWS
from spine_tf.inference.engines import load_engine
from spine_tf.inference.engines.keras_model import load_model
from spine_tf.support.errors import ModelError
from tests.support.paths import SCRIPTS


class Unknown(keras.layers.Layer):
    """Code of somebody else: not registered."""

    def call(self, x):
        return x


def _model(layer) -> keras.Model:
    """Takes triplets of 32 pixels and gives masks, so that nothing but the layer can be what is refused."""
    inputs = [keras.Input((32, 32, 3), name=view) for view in VIEWS]
    channels = [keras.layers.Conv2D(1, 1)(layer(x)) for x in inputs]
    return keras.Model(inputs, keras.layers.Concatenate(name="mask")(channels))


@pytest.fixture
def folder(threshold_run, tmp_path) -> Path:
    """A folder with the metadata that a model needs beside it."""
    shutil.copy(threshold_run / "metadata.json", tmp_path)
    return tmp_path


@pytest.fixture
def trap(folder, monkeypatch):
    """A model whose lambda makes the file `ran` in the working directory, and that file, which is not there yet."""
    monkeypatch.chdir(folder)
    model = _model(keras.layers.Lambda(lambda x: (open("ran", "w").close(), x)[1], output_shape=(32, 32, 3)))
    ran = folder / "ran"
    ran.unlink(missing_ok=True)
    return model, ran


def _refusal(path: Path) -> str:
    with pytest.raises(ModelError, match=r"model must be .* Received: ") as error:
        load_engine(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_lambda_is_refused_and_does_not_run(trap, folder):
    model, ran = trap
    model.save(folder / "best.keras")
    for path in (folder / "best.keras", folder):
        with pytest.raises(ModelError, match=r"best\.keras: Requested .* `Lambda` layer whose .* lambda\.$") as error:
            load_engine(path)
        assert "\n" not in str(error.value)
    assert not ran.exists()
    # The trap is one: without safe mode, it is sprung.
    loaded = keras.saving.load_model(folder / "best.keras", compile=False, safe_mode=False)
    loaded([tf.zeros((1, 32, 32, 3))] * 3)
    assert ran.exists()


def test_h5_is_refused_under_its_own_name_and_another(trap, folder):
    model, ran = trap
    model.save(folder / "best.h5")
    assert "a .keras or .tflite file" in _refusal(folder / "best.h5")
    shutil.copy(folder / "best.h5", folder / "renamed.keras")
    assert _refusal(folder / "renamed.keras").endswith("renamed.keras: no archive")
    assert not ran.exists()


def test_a_custom_class_is_refused_by_name(folder):
    _model(Unknown()).save(folder / "best.keras")
    assert _refusal(folder / "best.keras").endswith("best.keras: Could not locate class 'Unknown'.")


def test_a_class_of_a_module_is_not_imported(folder, monkeypatch):
    (folder / "somebody.py").write_text(f"open({str(folder / 'ran')!r}, 'w').close()")
    monkeypatch.syspath_prepend(folder)
    _model(Unknown()).save(folder / "whole.keras")
    with zipfile.ZipFile(folder / "whole.keras") as whole, zipfile.ZipFile(folder / "best.keras", "w") as changed:
        for name in whole.namelist():
            content = whole.read(name)
            if name == "config.json":
                config = json.loads(content)
                (layer,) = [one for one in config["config"]["layers"] if one["class_name"] == "Unknown"]
                layer["module"] = "somebody"
                content = json.dumps(config).encode()
            changed.writestr(name, content)
    assert "'Unknown'" in _refusal(folder / "best.keras")
    assert not (folder / "ran").exists()


def test_a_layer_that_loads_a_savedmodel_is_refused(folder):
    module = tf.Module()
    module.serve = tf.function(lambda x: x, input_signature=[tf.TensorSpec([None, 32, 32, 3])])
    tf.saved_model.save(module, folder / "other", signatures=module.serve)
    layer = keras.layers.TFSMLayer(str(folder / "other"), call_endpoint="serve")
    _model(layer).save(folder / "best.keras")
    assert "TFSMLayer" in _refusal(folder / "best.keras")


def test_what_is_no_archive_or_not_there_says_so(folder):
    (folder / "best.keras").write_bytes(b"not a zip")
    assert _refusal(folder / "best.keras").endswith("best.keras: no archive")
    with pytest.raises(ModelError, match=r"nowhere\.keras: no file"):
        load_model(folder / "nowhere.keras")


def test_the_model_of_a_file_a_folder_and_the_shipped_one(threshold_run, tmp_path):
    by_file, by_folder = load_model(threshold_run / "best.keras"), load_model(threshold_run)
    assert [w.shape for w in by_file.weights] == [w.shape for w in by_folder.weights]
    shutil.copy(threshold_run / "best.keras", tmp_path / "model.keras")
    assert load_model(tmp_path).count_params() == by_file.count_params() == 12
    assert load_model().input_shape[0] == (None, 128, 128, 3)
    with pytest.raises(ModelError, match="no file"):
        load_model(tmp_path / "nowhere")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(folder, value):
    model = _model(keras.layers.Conv2D(2, 1, name="shared"))
    kernel, bias = model.get_layer("shared").get_weights()
    kernel[0, 0, 2, 1] = value
    model.get_layer("shared").set_weights([kernel, bias])
    model.save(folder / "best.keras")
    assert _refusal(folder / "best.keras").endswith("best.keras: NaN or infinity in shared/kernel")


def _repacked(folder: Path, method: int = zipfile.ZIP_DEFLATED, **members: bytes) -> Path:
    """A good archive of which some members have another content."""
    _model(keras.layers.Conv2D(2, 1)).save(folder / "whole.keras")
    with zipfile.ZipFile(folder / "whole.keras") as whole, zipfile.ZipFile(folder / "best.keras", "w", method) as made:
        for name in whole.namelist():
            made.writestr(name, members.get(name.replace(".", "_"), whole.read(name)))
    return folder / "best.keras"


def test_an_archive_that_grows_is_refused_before_it_is_read(folder):
    # 80 MiB of spaces around the config: 80 kB in the archive.
    path = _repacked(folder, config_json=b" " * (80 * 2**20))
    assert path.stat().st_size < 2**20
    tracemalloc.start()
    assert _refusal(path).endswith("best.keras: config.json of 80 MiB, packed too tightly")
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()
    path = _repacked(folder, model_weights_h5=bytes(80 * 2**20))
    assert _refusal(path).endswith("best.keras: model.weights.h5 of 80 MiB, packed too tightly")
    assert "metadata.json of 0 MiB" in _refusal(_repacked(folder, zipfile.ZIP_LZMA))


def test_weights_that_grow_are_refused(folder):
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        for number in range(2):
            file.create_dataset(f"layers/{number}", (2**24,), "float32", compression="gzip", chunks=(2**20,))
    words = _refusal(_repacked(folder, model_weights_h5=content.getvalue()))
    assert "best.keras: arrays of 128 MiB in a file of 0 MiB" in words


def test_an_archive_that_was_packed_again_loads(folder):
    assert load_model(_repacked(folder)).count_params() == 3 * 2 + 2 + 3 * 3


@pytest.mark.parametrize("script", ["predict", pytest.param("export", marks=pytest.mark.slow)])
def test_the_scripts_say_it_in_one_line(trap, folder, six_scans, script):
    model, ran = trap
    model.save(folder / "best.keras")
    scan = six_scans / "ct" / "case0.nii.gz"
    arguments = {
        "predict": [scan, "--model", folder, "--output", folder / "out"],
        "export": [folder, "--to", folder / "out", "--scan", scan, "--mask", six_scans / "masks" / "case0.nii.gz"],
    }[script]
    done = subprocess.run([sys.executable, SCRIPTS / f"{script}.py", *arguments], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: model must be a .keras file made by this project")
    assert "Traceback" not in done.stderr
    assert not ran.exists()
    assert not (folder / "out").exists()
