import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from spine_tf.inference.engines import load_engine
from spine_tf.inference.one_scan import case_name, mask_warnings, output_paths
from spine_tf.inference.predict import Outcome, predict_cases
from spine_tf.scans import volume_from_array
from tests.support.paths import SCRIPTS
from tests.support.scans import bright_block_hu

SCRIPT = SCRIPTS / "predict.py"


def _scan(path: Path, hu=None) -> Path:
    image = nib.Nifti1Image(bright_block_hu() if hu is None else hu, np.diag([-1.0, 1.5, 2.0, 1.0]))
    image.header["descrip"] = b"DOE^JANE 1970"
    image.header["db_name"] = b"PATIENT7"
    nib.save(image, path)
    return path


@pytest.fixture(scope="module")
def engine(threshold_run):
    return load_engine(threshold_run)


@pytest.mark.parametrize(
    ("name", "case"),
    [
        ("sub-verse014_ct.nii.gz", "sub-verse014"),
        ("verse014.nii.gz", "verse014"),
        ("scan.nii", "scan"),
        ("series.v2", "series.v2"),
        ("_ct.nii.gz", "_ct"),
    ],
)
def test_cases_are_named_after_their_files(name, case):
    assert case_name(Path(name)) == case


def test_three_files_without_a_patients_tags(engine, tmp_path):
    (outcome,) = predict_cases([_scan(tmp_path / "a_ct.nii.gz")], engine, tmp_path / "out", progress=False)
    assert outcome.status == "done"
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["a_report.json", "a_seg-spine_msk.nii.gz", "a_seg-spine_snp.png"]
    scan, mask = nib.load(tmp_path / "a_ct.nii.gz"), nib.load(tmp_path / "out" / "a_seg-spine_msk.nii.gz")
    assert mask.get_data_dtype() == np.uint8
    assert mask.shape == scan.shape
    for form in ("get_qform", "get_sform"):
        (wanted, wanted_code), (got, code) = (getattr(image, form)(coded=True) for image in (scan, mask))
        assert code == wanted_code
        np.testing.assert_array_equal(got, wanted)
    report = json.loads((tmp_path / "out" / "a_report.json").read_text())
    # The block is 14 x 15 x 10 voxels of 3 mm3: 6.3 ml.
    assert report["mask_ml"] == pytest.approx(6.3, rel=0.1)
    assert report["geometry"]["stored_orientation"] == "LAS"
    for path in (tmp_path / "out").iterdir():
        content = path.read_bytes()
        assert b"DOE" not in content
        assert b"PATIENT7" not in content
        assert str(tmp_path).encode() not in content


def test_done_cases_are_skipped_and_overwrite_does_them_again(engine, tmp_path):
    scan = _scan(tmp_path / "a.nii.gz")
    report = output_paths(tmp_path, "a")["report"]
    assert predict_cases([scan], engine, tmp_path, progress=False)[0].status == "done"
    first = report.stat().st_mtime_ns
    assert predict_cases([scan], engine, tmp_path, progress=False)[0].status == "skipped"
    assert report.stat().st_mtime_ns == first
    assert predict_cases([scan], engine, tmp_path, overwrite=True, progress=False)[0].status == "done"
    assert report.stat().st_mtime_ns > first


def test_a_bad_case_does_not_stop_the_rest_and_leaves_nothing(engine, tmp_path):
    broken = tmp_path / "broken.nii.gz"
    broken.write_bytes(_scan(tmp_path / "a.nii.gz").read_bytes()[:-50])
    outcomes = predict_cases([broken, tmp_path / "a.nii.gz"], engine, tmp_path / "out", progress=False)
    assert [outcome.status for outcome in outcomes] == ["failed", "done"]
    assert "broken.nii.gz" in outcomes[0].detail
    assert "\n" not in outcomes[0].detail
    assert not list((tmp_path / "out").glob("broken*"))


def test_what_is_not_foreseen_fails_one_case_alone(engine, tmp_path):
    def broken(axial, coronal, sagittal):
        raise RuntimeError("out of\nmemory")

    scan = _scan(tmp_path / "a.nii.gz")
    (outcome,) = predict_cases([scan], replace(engine, predict=broken), tmp_path / "out", progress=False)
    assert outcome == Outcome("a", "failed", "a.nii.gz: RuntimeError: out of")
    assert not (tmp_path / "out").exists()


def test_probability_can_be_saved(engine, tmp_path):
    predict_cases(
        [_scan(tmp_path / "a.nii.gz")], engine, tmp_path, save_probability=True, clean_up=False, progress=False
    )
    probability = nib.load(tmp_path / "a_seg-spine_prob.nii.gz").get_fdata()
    mask = np.asarray(nib.load(tmp_path / "a_seg-spine_msk.nii.gz").dataobj)
    sure = np.abs(probability - 0.5) > 0.01
    np.testing.assert_array_equal((probability >= 0.5)[sure], mask[sure].astype(bool))


def test_two_inputs_of_one_name_are_refused(engine, tmp_path):
    with pytest.raises(ValueError, match="different case names"):
        predict_cases([tmp_path / "a.nii.gz", tmp_path / "b" / "a.nii.gz"], engine, tmp_path)


def test_no_input_at_all_is_refused(engine, tmp_path):
    with pytest.raises(ValueError, match="inputs must be NIfTI files or DICOM folders, at least one"):
        predict_cases([], engine, tmp_path)


def test_masks_that_want_a_look_are_warned_of():
    volume = volume_from_array(np.zeros((20, 20, 20), np.int16), np.eye(4))
    mask = np.zeros((20, 20, 20), bool)
    assert mask_warnings(mask, volume) == ["the mask is empty: no spine was found"]
    mask[5:10, 5:10, 5:10] = True
    assert mask_warnings(mask, volume) == ["the mask is small: 0.1 ml, under 5 ml"]
    mask[1:19, 1:19, 1:] = True
    assert mask_warnings(mask, volume) == [
        "the mask touches the border of the scan (upper end): the spine may go on outside"
    ]


def test_the_script_ends_with_the_promised_status(threshold_run, tmp_path):
    def run(*args):
        command = [sys.executable, str(SCRIPT), *map(str, args)]
        return subprocess.run(command, capture_output=True, text=True, env=os.environ | {"CUDA_VISIBLE_DEVICES": ""})

    good = _scan(tmp_path / "good.nii.gz")
    (tmp_path / "bad.nii.gz").write_bytes(b"no image")
    flags = ["--model", threshold_run, "--output", tmp_path / "out", "--threads", "1", "--device", "cpu"]
    done = run(good, *flags)
    assert done.returncode == 0, done.stderr
    failed = run(good, tmp_path / "bad.nii.gz", *flags)
    assert failed.returncode == 1
    assert "failed: bad: bad.nii.gz" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert run(good, "--model", tmp_path / "none.keras", "--output", tmp_path).returncode == 2
    assert run(*flags).returncode == 2
