import nibabel as nib
import numpy as np
import pytest

from spine_tf.data.cases import Case, unlabelled_border
from spine_tf.data.loading import load_case
from spine_tf.scans import ScanError
from spine_tf.scans.labels import spine_mask

PIR = np.array([[0, 0, 2.0, -30], [-1.0, 0, 0, 20], [0, -1.5, 0, 10], [0, 0, 0, 1]])
"""Axes to the back, down and to the right, as most of VerSe is stored."""


def write(path, array, affine):
    nib.save(nib.Nifti1Image(array, affine), path)
    return path


def hu_and_labels(shape=(10, 12, 9)):
    hu = np.random.default_rng(0).integers(-1000, 1200, shape).astype(np.int16)
    labels = np.zeros(shape, np.uint8)
    labels[2, 3, 4], labels[5, 6, 7] = 20, 26
    return hu, labels


def test_image_and_mask_are_read_in_ras_order(tmp_path):
    hu, labels = hu_and_labels()
    case = Case("a", "a", write(tmp_path / "a.nii.gz", hu, PIR), write(tmp_path / "m.nii.gz", labels, PIR))
    volume, found = load_case(case)
    # (P, I, R) -> (R, A, S): axes 2, 0, 1, the last two of them reversed.
    expected = labels.transpose(2, 0, 1)[:, ::-1, ::-1]
    assert found.shape == volume.shape == (9, 10, 12)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(volume.array, hu.transpose(2, 0, 1)[:, ::-1, ::-1])
    assert volume.spacing_mm == pytest.approx((2.0, 1.0, 1.5))


def test_a_mask_stored_along_other_axes_is_turned_onto_its_image(tmp_path):
    hu, labels = hu_and_labels()
    image = write(tmp_path / "a.nii.gz", hu, PIR)
    turned = nib.as_closest_canonical(nib.Nifti1Image(labels, PIR))
    nib.save(turned, tmp_path / "m.nii.gz")
    assert nib.load(tmp_path / "m.nii.gz").shape != hu.shape
    _, found = load_case(Case("a", "a", image, tmp_path / "m.nii.gz"))
    np.testing.assert_array_equal(found, np.asarray(turned.dataobj))


def test_qform_in_one_file_and_sform_in_the_other_are_one_grid(tmp_path):
    hu, labels = hu_and_labels()
    for name, array, (q, s) in (("a", hu, (1, 0)), ("m", labels, (0, 2))):
        image = nib.Nifti1Image(array, PIR)
        image.set_qform(PIR, q)
        image.set_sform(PIR, s)
        nib.save(image, tmp_path / f"{name}.nii.gz")
    _, found = load_case(Case("a", "a", tmp_path / "a.nii.gz", tmp_path / "m.nii.gz"))
    assert spine_mask(found).sum() == 1


def test_another_grid_is_refused_and_both_are_named(tmp_path):
    hu, labels = hu_and_labels()
    moved = PIR.copy()
    moved[0, 3] += 2
    case = Case("case7", "a", write(tmp_path / "a.nii.gz", hu, PIR), write(tmp_path / "m.nii.gz", labels, moved))
    with pytest.raises(ScanError, match="share a grid") as error:
        load_case(case)
    text = str(error.value)
    assert text.startswith("case7")
    assert "a.nii.gz (10 x 12 x 9 PIR, 1 x 1.5 x 2 mm, RAS+ from (-30.00" in text
    assert "m.nii.gz (10 x 12 x 9 PIR, 1 x 1.5 x 2 mm, RAS+ from (-28.00" in text


def test_a_case_without_a_mask_cannot_be_loaded(tmp_path):
    with pytest.raises(ScanError, match="must have a mask"):
        load_case(Case("a", "a", tmp_path / "a.nii.gz"))


def test_a_real_verse_case(shared_data):
    folder = shared_data / "verse014"
    names = ("sub-verse014_ct.nii.gz", "sub-verse014_seg-vert_msk.nii.gz")
    volume, labels = load_case(Case("sub-verse014", "verse014", *(folder / name for name in names)))
    assert volume.shape == labels.shape == (40, 186, 186)
    assert np.unique(labels).tolist() == [0, 20, 21, 22, 23, 24]
    # Vertebrae are bone: denser than what surrounds them.
    assert np.median(volume.array[spine_mask(labels)]) > 100 > np.median(volume.array[~spine_mask(labels)])


@pytest.mark.parametrize(
    ("present", "unknown"),
    [
        ((20, 24), [4, 5]),  # L1 to L5: a vertebra is cut above, the sacrum is below
        ((10, 12), [0, 4, 5]),  # in the chest: cut vertebrae on both sides
        ((1, 3), [0]),  # from C1 on: the skull is above
        ((), []),
    ],
)
def test_planes_beyond_the_annotation_are_unknown_where_a_vertebra_may_be_cut(tmp_path, present, unknown):
    labels = np.zeros((2, 2, 6), np.int16)
    for plane, label in zip((3, 1), present, strict=False):
        labels[0, 0, plane] = label
    incomplete = Case("a", "a", tmp_path, complete=False)
    found = unlabelled_border(incomplete, labels)
    assert np.flatnonzero(found.all(axis=(0, 1))).tolist() == unknown
    assert found.sum() == 4 * len(unknown)
    assert not unlabelled_border(Case("a", "a", tmp_path), labels).any()
