import nibabel as nib
import numpy as np
import pytest

from spine_tf.data.convert import import_case, with_source
from spine_tf.data.loading import load_case
from spine_tf.data.verse import find_cases
from spine_tf.scans import ScanError
from tests.support.scans import bright_block_hu


def write(folder, labels, affine=None):
    hu = bright_block_hu()
    nib.save(nib.Nifti1Image(hu, np.eye(4)), folder / "ct.nii.gz")
    mask = np.select([hu == 1000, hu < -100], labels, 0).astype(np.uint8)
    nib.save(nib.Nifti1Image(mask, np.eye(4) if affine is None else affine), folder / "labels.nii.gz")
    return hu, mask


def test_totalsegmentator_labels_become_verse_ids(tmp_path):
    # 27 is L5 there, VerSe's 24; 5 is the liver.
    hu, mask = write(tmp_path, [27, 5])
    paths = (tmp_path / "ct.nii.gz", tmp_path / "labels.nii.gz")
    imported = import_case(*paths, "one", tmp_path / "tree", source="a scanner, CC0")
    (found,) = find_cases(tmp_path / "tree")
    case = with_source(found)
    assert (case.source, case.complete) == (imported.source, imported.complete) == ("a scanner, CC0", True)
    volume, labels = load_case(case)
    assert (case.case_id, case.subject) == ("sub-one", "one")
    np.testing.assert_array_equal(volume.array, hu)
    np.testing.assert_array_equal(labels, np.where(mask == 27, 24, 0))


def test_verse_labels_stay(tmp_path):
    _, mask = write(tmp_path, [28, 0])
    case = import_case(tmp_path / "ct.nii.gz", tmp_path / "labels.nii.gz", "one", tmp_path / "tree", "verse")
    np.testing.assert_array_equal(load_case(case)[1], mask)


def test_the_refined_vertebrae_of_totalsegmentator_are_numbered_as_verse_numbers_them(tmp_path):
    _, mask = write(tmp_path, [24, 3])  # L5 and C3
    case = import_case(tmp_path / "ct.nii.gz", tmp_path / "labels.nii.gz", "one", tmp_path / "tree", "vertebrae_pp")
    np.testing.assert_array_equal(load_case(case)[1], mask)
    assert case.complete


def test_what_cannot_be_a_case_is_refused_and_nothing_written(tmp_path):
    write(tmp_path, [5, 0])
    with pytest.raises(ValueError, match=r"vertebrae labelled as totalsegmentator does. Received: labels.nii.gz"):
        import_case(tmp_path / "ct.nii.gz", tmp_path / "labels.nii.gz", "one", tmp_path / "tree")
    with pytest.raises(ValueError, match="labels must be one of"):
        import_case(tmp_path / "ct.nii.gz", tmp_path / "labels.nii.gz", "one", tmp_path / "tree", "ctspine")
    write(tmp_path, [27, 0], affine=np.diag([2.0, 1, 1, 1]))
    with pytest.raises(ScanError, match="share a grid"):
        import_case(tmp_path / "ct.nii.gz", tmp_path / "labels.nii.gz", "one", tmp_path / "tree")
    assert not (tmp_path / "tree").exists()
