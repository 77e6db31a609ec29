import numpy as np
import pytest
import surface_distance
from scipy.ndimage import distance_transform_edt

from spine_tf.scoring.surface import bounding_box, distance_to, surface_scores

MM = (1.0, 1.0, 1.0)


def cube(start: int, stop: int, shape=(20, 20, 20)) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[start:stop, start:stop, start:stop] = True
    return mask


def test_a_mask_and_itself():
    scores = surface_scores(cube(5, 15), cube(5, 15), MM)
    assert scores == {"hd95_mm": 0.0, "surface_dice_1mm": 1.0, "surface_dice_2mm": 1.0}


def test_a_slab_moved_by_two_voxels():
    truth, mask = np.zeros((20, 20, 20), bool), np.zeros((20, 20, 20), bool)
    truth[:, :, 5:10], mask[:, :, 7:12] = True, True
    scores = surface_scores(truth, mask, (1.0, 1.0, 1.5))
    # Two slices of 1.5 mm lie between the slabs' faces; only their narrow sides lie in each other.
    assert scores["hd95_mm"] == pytest.approx(3.0)
    assert surface_scores(truth, mask, (1.0, 1.0, 0.5)) == {
        "hd95_mm": pytest.approx(1.0), "surface_dice_1mm": 1.0, "surface_dice_2mm": 1.0,
    }  # fmt: skip


def test_a_shell_of_one_millimetre():
    scores = surface_scores(cube(5, 15), cube(4, 16), MM)
    # Faces are 1 mm apart, edges the square root of 2, and a tenth of this small cube's surface is edge.
    assert scores["hd95_mm"] == pytest.approx(np.sqrt(2), abs=1e-4)
    assert scores["surface_dice_1mm"] == pytest.approx(0.95, abs=0.02)
    assert scores["surface_dice_2mm"] == 1.0


def test_float32_of_a_distance_does_not_cross_the_tolerance():
    # 10 voxels of 0.1 mm are 1 mm, though 0.1 is no binary fraction.
    truth, mask = np.zeros((8, 8, 40), bool), np.zeros((8, 8, 40), bool)
    truth[:, :, 5:15], mask[:, :, 15:25] = True, True
    assert surface_scores(truth, mask, (0.1, 0.1, 0.1))["surface_dice_1mm"] == 1.0


def test_empty_masks():
    full, empty = cube(5, 15), cube(0, 0)
    assert surface_scores(empty, empty, MM) == {"hd95_mm": 0.0, "surface_dice_1mm": 1.0, "surface_dice_2mm": 1.0}
    worst = {"hd95_mm": np.inf, "surface_dice_1mm": 0.0, "surface_dice_2mm": 0.0}
    assert surface_scores(full, empty, MM) == worst
    assert surface_scores(empty, full, MM) == worst


@pytest.mark.parametrize("seed", range(6))
def test_the_package_itself_agrees(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(6, 24, 3))
    spacing_mm = tuple(rng.uniform(0.3, 3, 3))
    truth, mask = (rng.random(shape) < share for share in (0.02, 0.03))
    truth[2:5, 2:4, 1:5] = True
    mask[2:6, 2:5, 2:5] = True
    scores = surface_scores(truth, mask, spacing_mm, tolerances_mm=(0.5, 1.0, 2.0))
    theirs = surface_distance.compute_surface_distances(truth, mask, spacing_mm)
    assert scores["hd95_mm"] == pytest.approx(surface_distance.compute_robust_hausdorff(theirs, 95), abs=1e-3)
    for tolerance in (0.5, 1.0, 2.0):
        expected = surface_distance.compute_surface_dice_at_tolerance(theirs, tolerance)
        assert scores[f"surface_dice_{tolerance:g}mm"] == pytest.approx(expected, abs=1e-6)


def test_the_space_around_the_masks_changes_nothing():
    rng = np.random.default_rng(3)
    truth, mask = (rng.random((8, 9, 10)) < 0.2 for _ in range(2))
    alone = surface_scores(truth, mask, (1.0, 0.7, 2.0))
    around = [(4, 9), (0, 3), (7, 0)]
    assert surface_scores(np.pad(truth, around), np.pad(mask, around), (1.0, 0.7, 2.0)) == alone


def test_masks_that_fill_the_volume_have_a_surface_at_its_border():
    truth, mask = np.ones((10, 10, 10), bool), np.ones((10, 10, 10), bool)
    assert surface_scores(truth, mask, MM)["surface_dice_1mm"] == 1.0
    mask[:, :, 7:] = False
    assert surface_scores(truth, mask, MM)["hd95_mm"] == pytest.approx(3.0)


def test_distances_are_in_millimetres_and_exact():
    mask = np.zeros((12, 9, 7), bool)
    mask[3, 4, 2] = mask[9, 1, 6] = True
    spacing_mm = (0.7, 1.5, 2.5)
    away = distance_to(mask, spacing_mm)
    np.testing.assert_allclose(away, distance_transform_edt(~mask, sampling=spacing_mm), atol=1e-4)
    assert away[3, 4, 4] == pytest.approx(5.0)
    turned = distance_to(mask[::-1].transpose(2, 0, 1), (2.5, 0.7, 1.5))
    np.testing.assert_allclose(turned, away[::-1].transpose(2, 0, 1), rtol=1e-5)
    with pytest.raises(ValueError, match="empty mask"):
        distance_to(cube(0, 0), MM)


def test_bounding_box():
    mask = np.zeros((10, 10, 10), bool)
    mask[2, 3, 4] = mask[5, 3, 9] = True
    assert bounding_box(mask) == np.s_[2:6, 3:4, 4:10]


def test_what_is_no_pair_of_masks_is_refused():
    with pytest.raises(ValueError, match="bool array"):
        surface_scores(cube(5, 15), cube(5, 15).astype(np.uint8), MM)
