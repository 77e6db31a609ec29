"""Whole folders, label maps and centroid files, through `scoring.verse`, its table and its script."""

import csv
import json
import math
import shutil
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest

from spine_tf.data.centroids import Centroids, read_centroids, reorient_centroids, write_centroids
from spine_tf.scans import ScanError, read_label_map
from spine_tf.scoring.verse import NOT_APPLICABLE, dice_at_1mm, score_verse
from spine_tf.scoring.verse_table import format_verse
from tests.support.paths import SCRIPTS

AFFINE = np.diag([2.0, 1.0, 3.0, 1.0])
CASE = "sub-verse900"
PER_VERTEBRA = ("vertebrae", "missed", "extra", "vertebra_dice", "hd_mm", "hd95_mm", "surface_dice_1mm",
                "located", "hits", "id_rate", "d_mean_mm")  # fmt: skip


def labels(names=(20, 21, 22)) -> np.ndarray:
    """Three vertebrae of 4 x 6 x 5 voxels (8 x 6 x 15 mm), 10 slices of 3 mm apart."""
    made = np.zeros((8, 10, 32), np.int16)
    for i, label in enumerate(names):
        made[2:6, 2:8, 2 + 10 * i : 7 + 10 * i] = label
    return made


def write(folder, array, case=CASE, kind="seg-vert", affine=AFFINE):
    folder.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array.astype(np.uint8), affine), folder / f"{case}_{kind}_msk.nii.gz")


def place(folder, points, direction=("R", "A", "S"), case=CASE):
    write_centroids(folder / f"{case}_seg-subreg_ctd.json", Centroids(direction, points))


def score(tmp_path, predicted, kind="seg-vert"):
    """As `tables`, of one prediction against `labels()`."""
    write(tmp_path / "data", labels())
    write(tmp_path / "pred", predicted, kind=kind)
    return tables(score_verse(tmp_path / "pred", tmp_path / "data", tmp_path / "out"))


def tables(rows):
    """The row of the only case, and rows of labels and of regions by their names."""
    (case,) = (row for row in rows if row["table"] == "case")
    return case, *({row["name"]: row for row in rows if row["table"] == table} for table in ("label", "region"))


def test_perfect(tmp_path):
    case, by_label, regions = score(tmp_path, labels())
    assert math.isnan(case.pop("d_floor_mm"))
    assert case == {
        "table": "case", "case": CASE, "prediction": "labels", "whole_dice_1mm": 1.0,
        "truth_centroids": "label map", "pred_centroids": "label map",
        "vertebrae": 3, "missed": 0, "vertebra_dice": 1.0, "hd_mm": 0.0, "hd95_mm": 0.0,
        "surface_dice_1mm": 1.0, "surface_dice_2mm": 1.0,
        "located": 3, "hits": 3, "id_rate": 1.0, "d_mean_mm": 0.0, "extra": 0,
    }  # fmt: skip
    assert (list(by_label), list(regions)) == (["L1", "L2", "L3"], ["lumbar", "all labels"])


def test_shifted_by_two_slices(tmp_path):
    case, by_label, _ = score(tmp_path, np.roll(labels(), 2, axis=2))
    # 3 of 5 slices remain, of each vertebra as of the whole; slices are 3 mm thick.
    assert case["vertebra_dice"] == case["whole_dice_1mm"] == pytest.approx(0.6)
    assert (case["hd_mm"], case["d_mean_mm"], case["id_rate"]) == (6.0, 6.0, 1.0)
    assert by_label["L2"]["vertebra_dice"] == pytest.approx(0.6)


def test_relabelled(tmp_path):
    case, by_label, _ = score(tmp_path, labels((21, 22, 23)))
    # Every voxel of the spine is right and every name is wrong: 21 and 22 are 30 mm from their truth, 20 is missed.
    assert (case["whole_dice_1mm"], case["vertebra_dice"]) == (1.0, 0.0)
    assert (case["missed"], case["extra"], case["hits"], case["id_rate"]) == (1, 1, 0, 0.0)
    assert (case["hd_mm"], case["d_mean_mm"]) == (30.0, 30.0)
    assert math.isnan(by_label["L1"]["hd_mm"])


def test_empty(tmp_path):
    case, *_ = score(tmp_path, np.zeros_like(labels()))
    assert (case["whole_dice_1mm"], case["vertebra_dice"], case["surface_dice_2mm"]) == (0.0, 0.0, 0.0)
    assert (case["vertebrae"], case["missed"], case["id_rate"]) == (3, 3, 0.0)
    assert np.isnan([case["hd_mm"], case["hd95_mm"], case["d_mean_mm"]]).all()


def test_nothing_where_nothing_is(tmp_path):
    write(tmp_path / "data", np.zeros_like(labels()))
    write(tmp_path / "pred", np.zeros_like(labels()))
    rows = score_verse(tmp_path / "pred", tmp_path / "data", tmp_path / "out")
    case, *_ = tables(rows)
    assert (case["whole_dice_1mm"], case["vertebrae"]) == (1.0, 0)
    assert np.isnan([case["vertebra_dice"], case["id_rate"]]).all()
    assert "per vertebra: the truth has none" in format_verse(rows)


def test_an_extra_vertebra_costs_the_whole_mask_alone(tmp_path):
    predicted = labels()
    predicted[0, 0, 0] = 23
    case, *_ = score(tmp_path, predicted)
    assert (case["extra"], case["vertebra_dice"], case["id_rate"]) == (1, 1.0, 1.0)
    # At 1 mm the voxel is 2 x 1 x 3 = 6, each vertebra 8 x 6 x 15 = 720.
    assert case["whole_dice_1mm"] == pytest.approx(2 * 2160 / (2160 + 2166))


def test_a_binary_mask_has_no_vertebrae(tmp_path):
    place(tmp_path / "pred", {20: (3.5, 4.5, 4.0)})
    case, by_label, regions = score(tmp_path, labels() > 0, kind="seg-spine")
    assert (case["prediction"], case["whole_dice_1mm"]) == ("binary", 1.0)
    assert {case[name] for name in PER_VERTEBRA} == {NOT_APPLICABLE} == {"not applicable"}
    assert by_label == regions == {}


def test_the_name_tells_a_binary_mask_from_a_first_vertebra(tmp_path):
    atlas = labels((1, 0, 0))
    write(tmp_path / "data", atlas)
    write(tmp_path / "pred", atlas)
    case, by_label, _ = tables(score_verse(tmp_path / "pred", tmp_path / "data", tmp_path / "out"))
    assert (case["vertebra_dice"], list(by_label)) == (1.0, ["C1"])
    with pytest.raises(ScanError, match=r"seg-spine_msk.nii.gz must hold 0 and 1 alone.*Received: label 22"):
        score(tmp_path / "labels", labels(), kind="seg-spine")


def test_l6_and_t13_stand_apart(tmp_path):
    write(tmp_path / "data", labels((28, 20, 25)))
    write(tmp_path / "pred", labels((19, 20, 25)))
    case, by_label, regions = tables(score_verse(tmp_path / "pred", tmp_path / "data", tmp_path / "out"))
    assert (list(by_label), list(regions)) == (["L1", "L6", "T13"], ["lumbar", "T13", "L6", "all labels"])
    # T13 was called T12: missed, and an extra.
    assert [regions[name]["vertebra_dice"] for name in ("lumbar", "T13", "L6")] == [1.0, 0.0, 1.0]
    assert regions["all labels"]["vertebra_dice"] == case["vertebra_dice"] == pytest.approx(2 / 3)


def test_the_mean_over_cases_counts_what_is_counted(tmp_path):
    for case, names in ((CASE, (20, 21, 22)), ("sub-verse901", (20, 21, 23))):
        write(tmp_path / "data", labels(), case=case)
        write(tmp_path / "pred", labels(names), case=case)
    rows = score_verse(tmp_path / "pred", tmp_path / "data", tmp_path / "out")
    (row,) = (row for row in rows if row["table"] == "mean")
    assert (row["case"], row["vertebrae"], row["missed"], row["extra"], row["hits"]) == ("mean of 2", 6, 1, 1, 5)
    assert row["vertebra_dice"] == row["id_rate"] == pytest.approx((1 + 2 / 3) / 2)


def test_files_of_centroids_go_before_label_maps(tmp_path):
    write(tmp_path / "data", labels())
    write(tmp_path / "pred", labels())
    # 26, the sacrum, is no vertebra, here neither.
    place(tmp_path / "data", {20: (4, 5, 4), 21: (4, 5, 14), 22: (math.nan, 5, 24), 26: (4, 5, 30)})
    # 10 voxels of 2 mm along x are 20 mm, 20.5 of 1 mm along y are not.
    place(tmp_path / "pred", {20: (14, 5, 4), 21: (4, 25.5, 14), 22: (4, 5, 24)})
    case, by_label, _ = tables(score_verse(tmp_path / "pred", tmp_path / "data", tmp_path / "out"))
    assert (case["truth_centroids"], case["pred_centroids"]) == ("JSON", "JSON")
    # The truth's L3 has no place, so it is none to be found; its mask is scored all the same.
    assert (case["located"], case["hits"], case["vertebrae"]) == (2, 1, 3)
    assert (by_label["L1"]["hits"], by_label["L2"]["hits"], by_label["L3"]["located"]) == (1, 0, 0)
    assert case["d_mean_mm"] == pytest.approx(20.25)


def test_what_centres_of_mass_cannot_reach_is_said(tmp_path):
    write(tmp_path / "data", labels())
    write(tmp_path / "pred", np.roll(labels(), 1, axis=2))
    # L1's centre of mass is at (3.5, 4.5, 4): the truth's file is 5 mm away along y, the prediction 3 mm along z too.
    place(tmp_path / "data", {20: (3.5, 9.5, 4), 21: (3.5, 9.5, 14), 22: (3.5, 9.5, 24)})
    rows = score_verse(tmp_path / "pred", tmp_path / "data", tmp_path / "out")
    case, *_ = tables(rows)
    assert case["d_floor_mm"] == pytest.approx(5.0)
    assert case["d_mean_mm"] == pytest.approx(math.hypot(5, 3), abs=1e-4)
    assert "1 of 1 predictions have no centroid file" in format_verse(rows)
    assert "its own centres of mass are 5.0 mm from it" in format_verse(rows)


def test_a_prediction_stored_along_other_axes(tmp_path):
    write(tmp_path / "data", labels())
    truth = {20: (3.5, 4.5, 4.0), 21: (3.5, 4.5, 14.0), 22: (3.5, 4.5, 24.0)}
    place(tmp_path / "data", truth)
    turned = nib.Nifti1Image(labels().astype(np.uint8), AFFINE).as_reoriented(np.array([[2, 1], [0, -1], [1, -1]]))
    assert nib.aff2axcodes(turned.affine) == ("P", "I", "R")
    write(tmp_path / "pred", np.asarray(turned.dataobj), affine=turned.affine)
    score_map = tables(score_verse(tmp_path / "pred", tmp_path / "data", tmp_path / "out"))[0]
    assert (score_map["vertebra_dice"], score_map["d_mean_mm"]) == (1.0, 0.0)
    # Its file turned as the organisers turn theirs, size - c: exact.
    place(tmp_path / "pred", {i: (10 - y, 32 - z, x) for i, (x, y, z) in truth.items()}, ("P", "I", "R"))
    assert tables(score_verse(tmp_path / "pred", tmp_path / "data", tmp_path / "out"))[0]["d_mean_mm"] == 0.0
    # Made anew on the turned voxels, size - 1 - c: a voxel of 1 mm and one of 3 mm away.
    place(tmp_path / "pred", {i: (9 - y, 31 - z, x) for i, (x, y, z) in truth.items()}, ("P", "I", "R"))
    again = tables(score_verse(tmp_path / "pred", tmp_path / "data", tmp_path / "out"))[0]
    assert again["d_mean_mm"] == pytest.approx(math.sqrt(10), abs=1e-4)
    # A file along the truth's axes is not turned, whatever the axes of its label map.
    place(tmp_path / "pred", truth)
    assert tables(score_verse(tmp_path / "pred", tmp_path / "data", tmp_path / "out"))[0]["d_mean_mm"] == 0.0


def test_dice_at_one_millimetre_counts_volume_not_voxels():
    truth, mask = np.zeros((4, 4, 4), bool), np.zeros((4, 4, 4), bool)
    truth[0], mask[:2] = True, True
    assert dice_at_1mm(truth, mask, (2.0, 1.0, 0.5)) == pytest.approx(2 / 3)
    assert dice_at_1mm(truth, truth, (0.7, 0.9, 3.3)) == 1.0
    assert dice_at_1mm(truth & ~mask, truth & ~mask, (1.0, 1.0, 1.0)) == 1.0
    # 8 voxels of 0.6 mm are 5 of 1 mm, with centres at 0.4, 1.4 ... in the middle of voxels 0.67, 2.33, 4, ...:
    # the nearest are 0, 2, 3, 5 and 7, so that of the two voxels 1 and 2 one remains.
    thin, other = np.zeros((8, 8, 8), bool), np.zeros((8, 8, 8), bool)
    thin[1:3], other[2] = True, True
    assert dice_at_1mm(thin, other, (0.6, 1.0, 1.0)) == 1.0


def test_another_grid_is_refused_and_both_files_are_named(tmp_path):
    write(tmp_path / "data", labels())
    write(tmp_path / "pred", labels()[:, :, :30])
    with pytest.raises(
        ScanError, match=r"pred/sub-verse900_seg.*data/sub-verse900_seg.*share a grid.*8 x 10 x 30.*8 x 10 x 32"
    ):
        score_verse(tmp_path / "pred", tmp_path / "data", tmp_path / "out")


def test_verse014_against_itself(shared_data, tmp_path):
    for folder in ("data", "pred"):
        shutil.copytree(shared_data / "verse014", tmp_path / folder)
    case, by_label, _ = tables(score_verse(tmp_path / "pred", tmp_path / "data", tmp_path / "out"))
    assert (case["truth_centroids"], case["pred_centroids"], case["vertebrae"]) == ("JSON", "JSON", 5)
    assert (case["whole_dice_1mm"], case["vertebra_dice"], case["surface_dice_1mm"], case["id_rate"]) == (1, 1, 1, 1)
    assert (case["hd_mm"], case["hd95_mm"], case["d_mean_mm"]) == (0, 0, 0)
    assert list(by_label) == ["L1", "L2", "L3", "L4", "L5"]
    # The centroids turned by the organisers' rule are the same places, to the tenth of a voxel that a file holds.
    (path,) = (tmp_path / "pred").glob("*_ctd.json")
    mask = read_label_map(next((tmp_path / "pred").glob("*_msk.nii.gz")))
    write_centroids(path, reorient_centroids(read_centroids(path), ("L", "A", "S"), mask))
    case, *_ = tables(score_verse(tmp_path / "pred", tmp_path / "data", tmp_path / "out"))
    assert (case["id_rate"], case["d_mean_mm"]) == (1, 0)
    # Without its file: the centres of mass are behind the bodies, but each nearest to its own.
    path.unlink()
    case, *_ = tables(score_verse(tmp_path / "pred", tmp_path / "data", tmp_path / "out"))
    assert case["id_rate"] == 1
    assert case["d_mean_mm"] == case["d_floor_mm"] == pytest.approx(12.9, abs=0.1)


def test_the_script_prints_the_tables_and_writes_both_files(tmp_path):
    write(tmp_path / "data", labels())
    write(tmp_path / "pred", labels((20, 21, 23)))
    write(tmp_path / "data", labels(), case="sub-verse901")
    write(tmp_path / "pred", labels() > 0, case="sub-verse901", kind="seg-spine")
    script = SCRIPTS / "score_verse.py"
    command = [sys.executable, script, "--pred", tmp_path / "pred", "--data", tmp_path / "data"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    heading = lines[0].split()
    assert "whole-mask Dice" in lines[0]
    assert "vertebra Dice" in lines[0]
    assert heading[0] == "case"
    assert lines[2].split()[:9] == [CASE, "labels", "label", "map", "label", "map", "1.000", "3", "1"]
    assert lines[3].split()[:5] == ["sub-verse901", "binary", "n/a", "n/a", "1.000"]
    assert set(lines[3].split()[5:]) == {"n/a"}
    assert lines[4].startswith("mean of 2")
    assert [line.split()[0] for line in lines if line.startswith("L")] == ["L1", "L2", "L3"]
    assert "n/a: not applicable: 1 of 2 predictions are binary" in done.stdout
    stored = json.loads((tmp_path / "pred/verse/scores.json").read_text())
    assert [r["table"] for r in stored] == ["vertebra"] * 3 + ["case"] * 2 + ["mean"] + ["label"] * 3 + ["region"] * 2
    # The mean is over the case that has vertebrae.
    assert stored[5]["vertebra_dice"] == pytest.approx(2 / 3)
    with open(tmp_path / "pred/verse/scores.csv", newline="") as file:
        assert [line["vertebra_dice"] for line in csv.DictReader(file)][4] == "not applicable"
    (tmp_path / "pred" / f"{CASE}_seg-vert_msk.nii.gz").unlink()
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, f"1 missing: {CASE}" in done.stderr) == (2, True)
