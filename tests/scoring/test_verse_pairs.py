import json

import nibabel as nib
import numpy as np
import pytest

from spine_tf.scoring.verse_pairs import BINARY, LABELS, match_verse


def place(path):
    """A file at this path: only names and centroid files are read when pairs are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".json":
        path.write_text(json.dumps([{"direction": ["R", "A", "S"]}, {"label": 20, "X": 1, "Y": 2, "Z": 3}]))
    else:
        nib.save(nib.Nifti1Image(np.zeros((8, 8, 8), np.uint8), np.eye(4)), path)


@pytest.fixture
def verse(tmp_path):
    """Two cases as VerSe lays them out, one with centroids, and label maps predicted for both."""
    for subject in ("sub-verse004", "sub-verse005"):
        place(tmp_path / f"data/rawdata/{subject}/{subject}_ct.nii.gz")
        place(tmp_path / f"data/derivatives/{subject}/{subject}_seg-vert_msk.nii.gz")
        place(tmp_path / f"pred/{subject}_seg-vert_msk.nii.gz")
    place(tmp_path / "data/derivatives/sub-verse004/sub-verse004_seg-vb_ctd.json")
    place(tmp_path / "pred/sub-verse005_seg-subreg_ctd.json")
    return tmp_path


def test_masks_and_centroids_of_each_case(verse):
    place(verse / "pred/sub-of-no-interest_seg-vert_msk.nii.gz")
    first, second = match_verse(verse / "pred", verse / "data")
    assert (first.case_id, first.kind, first.prediction) == (
        "sub-verse004", LABELS, verse / "pred/sub-verse004_seg-vert_msk.nii.gz",
    )  # fmt: skip
    assert first.truth.name == first.prediction.name
    assert first.truth.is_relative_to(verse / "data")
    assert (first.truth_centroids.points, first.prediction_centroids) == ({20: (1.0, 2.0, 3.0)}, None)
    assert (second.truth_centroids, second.prediction_centroids.points) == (None, {20: (1.0, 2.0, 3.0)})


def test_the_name_tells_a_binary_mask(verse):
    (verse / "pred/sub-verse005_seg-vert_msk.nii.gz").unlink()
    place(verse / "pred/sub-verse005_seg-spine_msk.nii.gz")
    second = match_verse(verse / "pred", verse / "data")[1]
    assert (second.kind, second.prediction_centroids) == (BINARY, None)


def test_masks_without_their_ct_are_truths_too(verse):
    place(verse / "data/derivatives/sub-verse006/sub-verse006_seg-vert_msk.nii.gz")
    place(verse / "data/derivatives/sub-verse006/sub-verse006_seg-subreg_ctd.json")
    place(verse / "pred/sub-verse006_seg-vert_msk.nii.gz")
    third = match_verse(verse / "pred", verse / "data")[2]
    assert third.case_id == "sub-verse006"
    assert third.truth_centroids is not None
    # Without any CT at all it is the same.
    assert len(match_verse(verse / "pred", verse / "data/derivatives")) == 3


def test_copies_of_a_scan_are_taken_once(verse):
    """A data set that was unpacked twice, and the challenge's own form of one of its scans."""
    for name in ("rawdata/sub-verse004/sub-verse004_ct", "derivatives/sub-verse004/sub-verse004_seg-vert_msk"):
        place(verse / f"data/again/{name}.nii.gz")
    place(verse / "data/miccai/verse005_seg.nii.gz")
    assert [p.case_id for p in match_verse(verse / "pred", verse / "data")] == ["sub-verse004", "sub-verse005"]


def test_the_challenges_names(tmp_path):
    for folder in ("data", "pred"):
        place(tmp_path / folder / "verse500_CT-ax_seg.nii.gz")
        place(tmp_path / folder / "verse500_CT-ax_iso-ctd.json")
    (pair,) = match_verse(tmp_path / "pred", tmp_path / "data")
    assert (pair.case_id, pair.kind, pair.truth_centroids.iso) == ("verse500_CT-ax", LABELS, True)


def test_missing_predictions_are_all_named(verse):
    for subject in ("sub-verse004", "sub-verse005"):
        (verse / f"pred/{subject}_seg-vert_msk.nii.gz").unlink()
    with pytest.raises(ValueError, match=r"for each of 2 cases.*Received: 2 missing: sub-verse004, sub-verse005"):
        match_verse(verse / "pred", verse / "data")


def test_two_predictions_of_a_case_are_refused(verse):
    place(verse / "pred/sub-verse004_seg-spine_msk.nii.gz")
    with pytest.raises(ValueError, match=r"one file for sub-verse004.*seg-spine_msk.*seg-vert_msk"):
        match_verse(verse / "pred", verse / "data")


def test_predictions_among_the_truths_are_refused_but_a_data_set_scores_itself(verse):
    for pred, data in ((verse / "data/pred", verse / "data"), (verse, verse / "data")):
        with pytest.raises(ValueError, match="must not lie in each other"):
            match_verse(pred, data)
    assert len(match_verse(verse / "data", verse / "data")) == 2


def test_no_truth_and_a_bad_centroid_file_are_refused(verse):
    with pytest.raises(ValueError, match=r"data must hold true masks.*Received: none in"):
        match_verse(verse / "pred", verse / "absent")
    (verse / "pred/sub-verse005_seg-subreg_ctd.json").write_text('[{"label": 20, "X": 1, "Y": 2, "Z": 3}]')
    with pytest.raises(ValueError, match=r"pred/sub-verse005_seg-subreg_ctd.json: centroids must say"):
        match_verse(verse / "pred", verse / "data")
