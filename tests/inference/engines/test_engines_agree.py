"""One scan through predict.py with the same network behind every engine: the same files come out."""

import json
import subprocess
import sys
from pathlib import Path

import keras
import nibabel as nib
import numpy as np
import pytest

from spine_tf.export.litert import write_litert
from spine_tf.export.saved_model import export_saved_model
from spine_tf.inference.engines import load_engine
from spine_tf.inference.engines.manifest import write_manifest
from spine_tf.inference.predict import predict_cases
from spine_tf.support.files import write_json
from tests.support.paths import SCRIPTS
from tests.support.scans import bright_block_hu
from tests.support.served_models import serving, write_config

SCRIPT = SCRIPTS / "predict.py"


@pytest.fixture(scope="module")
def models(threshold_run, tmp_path_factory):
    """A folder with spine/1/ (SavedModel), model.tflite and models.config."""
    root = tmp_path_factory.mktemp("models")
    model, engine = keras.saving.load_model(threshold_run / "best.keras", compile=False), load_engine(threshold_run)
    export_saved_model(model, engine.spec, engine.metadata, root / "spine" / "1")
    write_litert(model, root / "model.tflite", "float32")
    for folder in (root, root / "spine" / "1"):
        write_json(folder / "metadata.json", engine.metadata)
    write_manifest(root / "spine" / "1")
    write_config(root)
    return root


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    path = tmp_path_factory.mktemp("scan") / "a_ct.nii.gz"
    nib.save(nib.Nifti1Image(bright_block_hu(), np.diag([-1.0, 1.5, -2.0, 1.0])), path)
    return path


def _written(folder: Path) -> tuple[dict, dict]:
    """The bytes of mask and picture, and the report without what tells engines apart."""
    report = json.loads((folder / "a_report.json").read_text())
    for key in ("model", "made_from", "positions", "seconds", "total_seconds", "peak_memory_gib", "environment"):
        del report[key]
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".json"}, report


def test_four_engines_write_the_same_files(models, scan, threshold_run, tmp_path):
    with serving(models) as (served, grpc, rest):
        places = {
            "keras": threshold_run,
            "saved_model": models / "spine",
            "litert": models / "model.tflite",
            "grpc": grpc,
            "rest": rest,
        }
        found = {}
        for name, model in places.items():
            (outcome,) = predict_cases([scan], load_engine(model), tmp_path / name, progress=False)
            assert outcome.status == "done", outcome.detail
            found[name] = _written(tmp_path / name)
        # Whole over gRPC; triplets over REST: 32 steps, 16 at once.
        assert served.asked == {"describe": 2, "segment_volume": 1, "serving_default": 2}
    assert sorted(found["keras"][0]) == ["a_seg-spine_msk.nii.gz", "a_seg-spine_snp.png"]
    mask = np.asarray(nib.load(tmp_path / "keras" / "a_seg-spine_msk.nii.gz").dataobj)
    assert 0 < mask.mean() < 1
    for name in places:
        assert found[name] == found["keras"], name


def test_predict_py_takes_an_address(models, scan, tmp_path):
    with serving(models) as (served, grpc, _):
        command = [sys.executable, SCRIPT, scan, "--model", f"{grpc}/1", "--output", tmp_path]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert served.asked["segment_volume"] == 1
    assert json.loads((tmp_path / "a_report.json").read_text())["model"] == f"{grpc}/1"
