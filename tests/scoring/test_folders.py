import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest

from spine_tf.scans import ScanError
from spine_tf.scoring.folders import match_predictions, score_folder
from tests.support.paths import SCRIPTS

AFFINE = np.diag([1.0, 1.0, 2.0, 1.0])


def write(path, array, affine=AFFINE):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, affine), path)


def labels(z_stop=8) -> np.ndarray:
    made = np.zeros((12, 12, 12), np.uint8)
    made[4:8, 4:8, 2:z_stop] = 20
    made[0, 0, 0] = 26
    return made


def predict(folder, case, mask=None):
    write(folder / f"{case}_seg-spine_msk.nii.gz", (labels() == 20).astype(np.uint8) if mask is None else mask)


@pytest.fixture
def verse(tmp_path):
    """Two cases as VerSe lays them out, with CTs, and a folder of perfect predictions."""
    for subject in ("verse004", "verse005"):
        write(tmp_path / f"data/derivatives/sub-{subject}/sub-{subject}_seg-vert_msk.nii.gz", labels())
        tissue = np.random.default_rng(0).choice([-1000, -100, 50], labels().shape, p=[0.5, 0.25, 0.25])
        hu = np.where(labels() == 20, 500, tissue) + np.arange(12)
        write(tmp_path / f"data/rawdata/sub-{subject}/sub-{subject}_ct.nii.gz", hu.astype(np.int16))
        predict(tmp_path / "pred", f"sub-{subject}")
    return tmp_path


def test_every_case_has_three_rows_and_every_method_a_mean(verse):
    rows = score_folder(verse / "pred", verse / "data" / "derivatives", verse / "out")
    assert [(r["case"], r["method"], round(r["dice"], 3)) for r in rows] == [
        (case, method, dice)
        for case in ("sub-verse004", "sub-verse005", "mean of 2")
        for method, dice in (
            ("network", 1.0),
            ("HU threshold + largest component", 1.0),
            # 96 voxels of 1728 are spine; the sacrum is background.
            ("everything foreground", round(2 * 96 / (96 + 1728), 3)),
        )
    ]
    assert {p.name for p in (verse / "out").iterdir()} == {"scores.json", "scores.csv"}
    assert {r["role"] for r in rows} == {"not stated"}


def test_the_root_of_a_data_set_is_a_folder_of_masks_too(verse):
    pairs = match_predictions(verse / "pred", verse / "data")
    assert [p.case_id for p in pairs] == ["sub-verse004", "sub-verse005"]
    assert all(p.image.name == f"{p.case_id}_ct.nii.gz" for p in pairs)


def test_missing_predictions_are_all_named_before_anything_is_scored(verse):
    for number in ("006", "007"):
        write(verse / f"data/derivatives/sub-verse{number}/sub-verse{number}_seg-vert_msk.nii.gz", labels())
    with pytest.raises(ValueError, match="Received: 2 missing: sub-verse006, sub-verse007"):
        score_folder(verse / "pred", verse / "data/derivatives", verse / "out")
    assert not (verse / "out").exists()


def test_miccai_names_and_entities(tmp_path):
    write(tmp_path / "masks/verse500_CT-ax_seg.nii.gz", labels())
    write(tmp_path / "masks/sub-ct_seg-vert_label-22_msk.nii.gz", labels())
    predict(tmp_path / "pred", "verse500_CT-ax")
    predict(tmp_path / "pred", "sub-ct_label-22")
    predict(tmp_path / "pred", "of-no-interest")
    pairs = match_predictions(tmp_path / "pred", tmp_path / "masks")
    assert [(p.case_id, p.image) for p in pairs] == [("sub-ct_label-22", None), ("verse500_CT-ax", None)]


def test_without_the_ct_the_threshold_has_no_scores(verse):
    (verse / "data" / "rawdata").rename(verse / "elsewhere")
    rows = score_folder(verse / "pred", verse / "data", verse / "out")
    assert [np.isnan(r["dice"]) for r in rows[:3]] == [False, True, False]
    rows = score_folder(verse / "pred", verse / "data", verse / "out", images=verse / "elsewhere")
    assert not any(np.isnan(r["dice"]) for r in rows)


def test_another_grid_is_refused_and_both_are_named(verse):
    predict(verse / "pred", "sub-verse004", labels()[:, :, :10])
    with pytest.raises(ScanError, match=r"sub-verse004: .*12 x 12 x 12 RAS.*12 x 12 x 10 RAS"):
        score_folder(verse / "pred", verse / "data", verse / "out")


def test_a_prediction_stored_along_other_axes_is_turned(verse):
    path = verse / "pred" / "sub-verse004_seg-spine_msk.nii.gz"
    turned = nib.load(path).as_reoriented(np.array([[1, -1], [2, 1], [0, -1]]))
    nib.save(turned, path)
    rows = score_folder(verse / "pred", verse / "data", verse / "out")
    assert rows[0]["dice"] == 1.0


def test_no_truth_and_two_truths_are_refused(verse):
    with pytest.raises(ValueError, match="Received: none in"):
        match_predictions(verse / "pred", verse / "absent")
    write(verse / "data/derivatives/again/sub-verse004_seg-vert_msk.nii.gz", labels())
    with pytest.raises(ValueError, match="one file for sub-verse004"):
        match_predictions(verse / "pred", verse / "data")


def evaluate(*flags):
    script = SCRIPTS / "evaluate.py"
    return subprocess.run([sys.executable, script, *map(str, flags)], capture_output=True, text=True)


def test_the_script_prints_the_table_or_says_what_is_missing(verse):
    flags = ("--pred", verse / "pred", "--masks", verse / "data", "--output", verse / "out")
    done = evaluate(*flags)
    assert done.returncode == 0, done.stderr
    assert "mean of 2     everything foreground" in done.stdout
    assert (verse / "out" / "scores.csv").exists()
    (verse / "pred" / "sub-verse005_seg-spine_msk.nii.gz").unlink()
    done = evaluate(*flags)
    assert done.returncode == 2
    assert "1 missing: sub-verse005" in done.stderr
    assert evaluate("--pred", verse / "pred").returncode == 2
