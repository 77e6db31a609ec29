"""predict.py where there is no TensorFlow: what a laptop installs."""

import re
import subprocess
import sys
import venv
from pathlib import Path

import keras
import nibabel as nib
import numpy as np
import pytest

from spine_tf.export.litert import write_litert
from spine_tf.inference.engines import load_engine
from spine_tf.support.files import write_json
from tests.support.paths import ROOT
from tests.support.scans import bright_block_hu

WITHOUT = """
import runpy, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tensorflow", "keras", "h5py", "tf_keras", "segmentation_models"):
            raise ImportError(f"{name} is not on this machine")
sys.meta_path.insert(0, Refuse())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def lite(threshold_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("laptop")
    model = keras.saving.load_model(threshold_run / "best.keras", compile=False)
    write_litert(model, folder / "model.tflite", "float32")
    write_json(folder / "metadata.json", load_engine(threshold_run).metadata)
    nib.save(nib.Nifti1Image(bright_block_hu(), np.diag([-1.0, 1.5, 2.0, 1.0])), folder / "a_ct.nii.gz")
    return folder


def _predicts(python: list, folder: Path, output: Path) -> None:
    command = [*python, ROOT / "scripts" / "predict.py", folder / "a_ct.nii.gz"]
    done = subprocess.run(
        [*command, "--model", folder / "model.tflite", "--output", output], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    names = sorted(path.name for path in output.iterdir())
    assert names == ["a_report.json", "a_seg-spine_msk.nii.gz", "a_seg-spine_snp.png"]
    mask, truth = np.asarray(nib.load(output / names[1]).dataobj) > 0, bright_block_hu() == 1000
    assert 2 * (mask & truth).sum() / (mask.sum() + truth.sum()) > 0.9


def test_predicts_where_tensorflow_cannot_be_imported(lite, tmp_path):
    _predicts([sys.executable, "-c", WITHOUT], lite, tmp_path)


def test_the_laptops_requirements_are_those_of_the_checkout():
    pins = [
        dict(re.findall(r"^([a-z0-9_.-]+)==(\S+)", (ROOT / name).read_text(), flags=re.MULTILINE))
        for name in ("requirements-laptop.txt", "requirements.txt")
    ]
    assert pins[0].items() <= pins[1].items()
    assert not {"tensorflow", "keras", "tf-keras", "h5py"} & set(pins[0])


@pytest.mark.slow
def test_predicts_in_an_environment_of_its_own(lite, tmp_path, monkeypatch):
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    wanted = ["--require-hashes", "-r", ROOT / "requirements-laptop.txt"]
    subprocess.run([python, "-m", "pip", "install", "-q", *wanted], check=True)
    assert subprocess.run([python, "-c", "import tensorflow"], capture_output=True).returncode == 1
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    _predicts([python], lite, tmp_path / "out")
