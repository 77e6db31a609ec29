"""Geometry: every orientation there and back voxel by voxel, and when two grids are one."""

from itertools import permutations, product

import nibabel as nib
import numpy as np
import pytest

from spine_tf.scans import describe_geometry, same_grid, volume_from_array
from spine_tf.scans.volume import Grid, canonical_volume, corner_distance_mm, grid_from_affine

SHAPE = (4, 5, 6)
SPACING = (1.0, 2.0, 3.0)
ORIENTATIONS = [
    "".join(letters[i][side] for i, side in zip(order, sides, strict=True))
    for letters in [("LR", "PA", "IS")]
    for order in permutations(range(3))
    for sides in product((0, 1), repeat=3)
]
TURNS = (np.eye(3), nib.eulerangles.euler2mat(0.2, -0.15, 0.1))


def _ras(turn) -> tuple[np.ndarray, np.ndarray]:
    array = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE)
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag(SPACING)
    affine[:3, 3] = (-7.0, 11.0, 13.0)
    return array, affine


def _stored_as(orientation, array, affine):
    image = nib.Nifti1Image(array, affine)
    turn = nib.orientations.ornt_transform(nib.io_orientation(affine), nib.orientations.axcodes2ornt(orientation))
    turned = image.as_reoriented(turn)
    return np.asarray(turned.dataobj), turned.affine


def test_there_are_48_orientations():
    assert len(set(ORIENTATIONS)) == 48


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("turn", TURNS, ids=["straight", "oblique"])
def test_canonical_and_back_is_voxel_exact(orientation, turn):
    array, affine = _ras(turn)
    stored, stored_affine = _stored_as(orientation, array, affine)

    volume = volume_from_array(stored, stored_affine)

    assert volume.grid.orientation == orientation
    np.testing.assert_array_equal(volume.array, array)
    np.testing.assert_allclose(volume.affine, affine, atol=1e-12)
    np.testing.assert_allclose(volume.spacing_mm, SPACING, atol=1e-12)
    np.testing.assert_array_equal(volume.to_stored(volume.array), stored)
    np.testing.assert_array_equal(volume.to_stored(volume.array[..., None]), stored[..., None])


def test_as_stored_keeps_its_order_and_writes_back_unchanged():
    array, affine = _ras(TURNS[1])
    stored, stored_affine = _stored_as("PIR", array, affine)
    view = volume_from_array(stored, stored_affine).as_stored()
    np.testing.assert_array_equal(view.array, stored)
    np.testing.assert_allclose(view.affine, stored_affine)
    np.testing.assert_array_equal(view.to_stored(view.array), stored)
    np.testing.assert_allclose(view.spacing_mm, (SPACING[1], SPACING[2], SPACING[0]))


def test_to_stored_refuses_what_is_not_on_the_grid():
    array, affine = _ras(TURNS[0])
    volume = volume_from_array(array, affine)
    with pytest.raises(ValueError, match=r"array must have the volume's shape \(4, 5, 6\). Received: shape \(4, 5\)"):
        volume.to_stored(array[:, :, 0])
    resized = type(volume)(array[::2], affine, volume.grid)
    with pytest.raises(ValueError, match="array must fit the stored grid"):
        resized.to_stored(resized.array)


def test_same_grid_is_blind_to_the_order_of_storage_and_to_the_header_field():
    array, affine = _ras(TURNS[1])
    a = volume_from_array(array, affine)
    stored, stored_affine = _stored_as("ILA", array, affine)
    assert same_grid(a, volume_from_array(stored, stored_affine))
    assert same_grid(a, a.as_stored())
    # As in VerSe: the scan has a qform only, its mask an sform only.
    scan = canonical_volume(stored, Grid(stored.shape, stored_affine, stored_affine, 1, None, 0, "ct"))
    mask = canonical_volume(stored, Grid(stored.shape, stored_affine, None, 0, stored_affine, 2, "mask"))
    assert same_grid(scan, mask)
    assert same_grid(scan, mask.grid)


def test_same_grid_tells_shifts_flips_and_shapes_apart():
    array, affine = _ras(TURNS[0])
    a = volume_from_array(array, affine)
    near, far = affine.copy(), affine.copy()
    near[0, 3] += 0.009
    far[0, 3] += 0.011
    assert same_grid(a, volume_from_array(array, near))
    assert not same_grid(a, volume_from_array(array, far))
    assert not same_grid(a, volume_from_array(array[:-1], affine))
    # A mask whose header calls the same array mirrored does not describe the same voxels.
    assert not same_grid(a, volume_from_array(array, affine @ np.diag([-1, 1, 1, 1])))


def test_corner_distance_is_that_of_the_worst_corner():
    stretched = np.diag([1.5, 1, 1, 1])
    assert corner_distance_mm(np.eye(4), stretched, (11, 3, 3)) == pytest.approx(5.0)


def test_geometry_for_reports_holds_no_names():
    array, affine = _ras(TURNS[0])
    stored, stored_affine = _stored_as("PIR", array, affine)
    report = describe_geometry(canonical_volume(stored, grid_from_affine(stored.shape, stored_affine, "Secret^Name")))
    assert report == {
        "shape": [4, 5, 6],
        "spacing_mm": [1.0, 2.0, 3.0],
        "extent_mm": [4.0, 10.0, 18.0],
        "orientation": "RAS",
        "stored_shape": [5, 6, 4],
        "stored_orientation": "PIR",
        "qform_code": 1,
        "sform_code": 1,
    }
