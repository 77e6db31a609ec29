import json
import os
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from spine_tf.cli.command import main
from spine_tf.inference.engines import load_engine
from spine_tf.inference.outputs import output_paths
from spine_tf.inference.predict import Outcome, predict_cases
from spine_tf.support.errors import OutputError
from spine_tf.support.files import write_json
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
def engine(threshold_lite):
    return load_engine(threshold_lite)


def _made(outcomes) -> list[str]:
    return [outcome.status for outcome in outcomes]


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


def test_another_scan_of_the_same_name_is_not_done(engine, tmp_path):
    scan, mask = _scan(tmp_path / "a.nii.gz"), output_paths(tmp_path / "out", "a")["mask"]
    assert _made(predict_cases([scan], engine, tmp_path / "out", progress=False)) == ["done"]
    before = mask.read_bytes()
    # The same file elsewhere, written at another time, is the same scan.
    (tmp_path / "copy").mkdir()
    copy = tmp_path / "copy" / "a.nii.gz"
    copy.write_bytes(scan.read_bytes())
    assert _made(predict_cases([copy], engine, tmp_path / "out", progress=False)) == ["skipped"]
    _scan(copy, bright_block_hu()[::-1])
    assert _made(predict_cases([copy], engine, tmp_path / "out", progress=False)) == ["done"]
    assert mask.read_bytes() != before
    np.testing.assert_array_equal(_mask(tmp_path / "out"), _mask_of(before, tmp_path)[::-1])


def _mask(output: Path) -> np.ndarray:
    return np.asarray(nib.load(output_paths(output, "a")["mask"]).dataobj)


def _mask_of(content: bytes, folder: Path) -> np.ndarray:
    (folder / "before.nii.gz").write_bytes(content)
    return np.asarray(nib.load(folder / "before.nii.gz").dataobj)


def test_another_model_or_option_is_not_done_and_a_new_wish_is_made(engine, tmp_path):
    scan, output = _scan(tmp_path / "a.nii.gz"), tmp_path / "out"

    def run(engine=engine, **options):
        return predict_cases([scan], engine, output, progress=False, **options)[0].status

    assert run() == "done"
    assert run(batch_size=3, memory_budget_gib=4.0) == "skipped"
    assert run(flips=True) == "done"
    assert run(flips=True) == "skipped"
    assert run(replace(engine, sha256="other"), flips=True) == "done"
    assert run(flips=True, save_probability=True) == "done"
    assert output_paths(output, "a")["probability"].is_file()
    # What is there already is no reason to do it again.
    assert run(flips=True) == "skipped"
    assert run(fast=True) == "done"
    assert not output_paths(output, "a")["probability"].exists()
    output_paths(output, "a")["mask"].unlink()
    assert run(fast=True) == "done"


def test_an_older_report_is_ours_but_nothing_is_done_by_it(engine, tmp_path):
    scan, output = _scan(tmp_path / "a.nii.gz"), tmp_path / "out"
    predict_cases([scan], engine, output, progress=False)
    report = output_paths(output, "a")["report"]
    old = {key: value for key, value in json.loads(report.read_text()).items() if key not in ("files", "made_from")}
    report.write_text(json.dumps(old))
    assert _made(predict_cases([scan], engine, output, progress=False)) == ["done"]
    assert "made_from" in json.loads(report.read_text())


def test_no_input_is_replaced(engine, tmp_path):
    scan, manual = _scan(tmp_path / "a_ct.nii.gz"), _scan(tmp_path / "a_seg-spine_msk.nii.gz")
    content = manual.read_bytes()
    for overwrite in (False, True):
        outcomes = predict_cases([scan, manual], engine, tmp_path, overwrite=overwrite, progress=False)
        assert outcomes[0].status == "failed"
        assert outcomes[0].detail == (
            "a_ct.nii.gz: output must not replace an input. Received: a_seg-spine_msk.nii.gz for both"
        )
        assert manual.read_bytes() == content


def test_what_no_report_names_is_not_replaced(engine, tmp_path):
    scan, output = _scan(tmp_path / "a.nii.gz"), tmp_path / "out"
    paths = output_paths(output, "a")
    output.mkdir()
    for kind in ("mask", "picture", "report", "probability"):
        paths[kind].write_text("somebody else's")
        for overwrite in (False, True):
            (outcome,) = predict_cases([scan], engine, output, overwrite=overwrite, progress=False)
            assert outcome.detail == (
                f"a.nii.gz: {paths[kind].name} must be free, or as the report of a names it: "
                "no other file is replaced. Received: a file of that name"
            )
        assert [path.read_text() for path in output.iterdir()] == ["somebody else's"]
        paths[kind].unlink()
    # A mask that was corrected by hand is no longer ours.
    assert _made(predict_cases([scan], engine, output, progress=False)) == ["done"]
    paths["mask"].write_bytes(scan.read_bytes())
    assert _made(predict_cases([scan], engine, output, overwrite=True, progress=False)) == ["failed"]
    assert paths["mask"].read_bytes() == scan.read_bytes()


def test_a_folder_in_place_of_a_file_fails_one_case(engine, tmp_path):
    output_paths(tmp_path / "out", "a")["report"].mkdir(parents=True)
    scans = [_scan(tmp_path / f"{name}.nii.gz") for name in "ab"]
    outcomes = predict_cases(scans, engine, tmp_path / "out", progress=False)
    assert _made(outcomes) == ["failed", "done"]
    assert outcomes[0].detail.endswith("Received: a folder of that name")


def test_an_output_that_cannot_be_made_is_refused_in_one_line(engine, tmp_path):
    (tmp_path / "out").write_text("a file")
    scan = _scan(tmp_path / "a.nii.gz")
    for output in (tmp_path / "out", tmp_path / "out" / "below"):
        with pytest.raises(OutputError, match=r"^output must be a folder that can be written.* Received: \w+: [\w ]+$"):
            predict_cases([scan], engine, output, progress=False)


def test_a_full_disk_fails_cases_and_leaves_what_was_there(engine, tmp_path):
    output = tmp_path / "out"
    scan, noisy = _scan(tmp_path / "a.nii.gz"), _scan(tmp_path / "b.nii.gz")
    assert _made(predict_cases([scan], engine, output, progress=False)) == ["done"]
    before = {path.name: path.read_bytes() for path in output.iterdir()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # No file may have more than 4 KiB: the mask fits, the picture does not.
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        outcomes = predict_cases([scan, noisy], engine, output, flips=True, progress=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert _made(outcomes) == ["failed", "failed"]
    assert outcomes[0].detail == (
        "a.nii.gz: output must be a folder that can be written, with room in it. Received: out: File too large"
    )
    assert {path.name: path.read_bytes() for path in output.iterdir()} == before


def test_what_a_killed_process_left_is_swept_and_done_again(engine, tmp_path):
    scan, output = _scan(tmp_path / "a.nii.gz"), tmp_path / "out"
    paths = output_paths(output, "a")
    # Killed among the last moves: the report claims what lies there, and says of nothing that it is done.
    write_json(paths["report"], {"case": "a", "mask": paths["mask"].name, "files": dict.fromkeys(paths)})
    paths["mask"].write_text("of the killed process")
    (output / ".0123abcd.a").mkdir()
    (output / ".0123abcd.a" / "a_seg-spine_msk.nii.gz").write_text("ha")
    (output / ".0123abcd.a_report.json").write_text("ha")
    (output / ".0123abcd.b_report.json").write_text("another process may be writing it")
    assert _made(predict_cases([scan], engine, output, progress=False)) == ["done"]
    assert sorted(path.name for path in output.iterdir()) == [
        ".0123abcd.b_report.json",
        "a_report.json",
        "a_seg-spine_msk.nii.gz",
        "a_seg-spine_snp.png",
    ]


def test_a_network_that_answers_no_probabilities_fails_the_case(engine, tmp_path):
    scan = _scan(tmp_path / "a.nii.gz")
    for value, words in ((np.nan, "nan to nan"), (1.5, "1.5 to 1.5"), (-0.5, "-0.5 to -0.5")):
        wrong = replace(engine, predict=lambda axial, *others, v=value: np.full_like(axial, v))
        (outcome,) = predict_cases([scan], wrong, tmp_path / "out", progress=False)
        assert outcome.status == "failed"
        assert outcome.detail == f"a.nii.gz: x.tflite must answer probabilities in [0, 1]. Received: {words}"


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
    assert list((tmp_path / "out").iterdir()) == []


def test_probability_can_be_saved(engine, tmp_path):
    predict_cases(
        [_scan(tmp_path / "a.nii.gz")], engine, tmp_path, save_probability=True, clean_up=False, progress=False
    )
    probability = nib.load(tmp_path / "a_seg-spine_prob.nii.gz").get_fdata()
    mask = np.asarray(nib.load(tmp_path / "a_seg-spine_msk.nii.gz").dataobj)
    sure = np.abs(probability - 0.5) > 0.01
    np.testing.assert_array_equal((probability >= 0.5)[sure], mask[sure].astype(bool))


def test_two_inputs_of_one_name_fail_and_the_rest_goes_on(engine, tmp_path):
    (tmp_path / "other").mkdir()
    one, other = _scan(tmp_path / "a.nii.gz"), _scan(tmp_path / "other" / "a_ct.nii.gz")
    good = _scan(tmp_path / "b.nii.gz")
    outcomes = predict_cases([one, other, good, good], engine, tmp_path / "out", progress=False)
    # One file given twice is one case.
    assert [outcome.status for outcome in outcomes] == ["failed", "failed", "done", "skipped"]
    assert outcomes[1].detail == (
        "a_ct.nii.gz: inputs must have different case names, or go to different outputs. "
        f"Received: 'a' for {one}, {other}"
    )
    assert not list((tmp_path / "out").glob("a_*"))


def test_no_input_at_all_is_refused(engine, tmp_path):
    with pytest.raises(ValueError, match="inputs must be NIfTI files or DICOM folders, at least one"):
        predict_cases([], engine, tmp_path)


def test_the_script_ends_with_the_promised_status(threshold_run, tmp_path):
    def run(*args):
        command = [sys.executable, str(SCRIPT), *map(str, args)]
        return subprocess.run(command, capture_output=True, text=True, env=os.environ | {"CUDA_VISIBLE_DEVICES": ""})

    good = _scan(tmp_path / "good.nii.gz")
    (tmp_path / "bad.nii.gz").write_bytes(b"no image")
    flags = ["--model", threshold_run, "--output", tmp_path / "out", "--threads", "1", "--device", "cpu"]
    assert main(["predict", str(good), "--model", str(threshold_run), "--output", str(tmp_path / "here")]) == 0
    failed = run(good, tmp_path / "bad.nii.gz", *flags)
    assert failed.returncode == 1
    assert "failed: bad: bad.nii.gz" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert run(good, "--model", tmp_path / "none.keras", "--output", tmp_path).returncode == 2
    assert run(*flags).returncode == 2
