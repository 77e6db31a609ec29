import numpy as np
import pytest

from spine_tf.views.components import drop_small_components

MM = (1.0, 1.0, 1.0)


def _mask():
    mask = np.zeros((20, 8, 8), bool)
    mask[0:10] = True  # 640 voxels
    mask[12:14, :4, :4] = True  # 32 voxels, a twentieth
    mask[16:18, :, :] = True  # 128 voxels, a fifth
    return mask


def test_components_below_the_share_go():
    kept = drop_small_components(_mask(), MM, gap_mm=0, min_share=0.1)
    assert kept.sum() == 640 + 128
    assert not kept[12:14].any()


def test_one_keeps_the_largest_alone_and_zero_everything():
    assert drop_small_components(_mask(), MM, gap_mm=0, min_share=1).sum() == 640
    assert drop_small_components(_mask(), MM, gap_mm=0, min_share=0).sum() == 800


def test_an_empty_mask_stays_empty():
    assert not drop_small_components(np.zeros((3, 3, 3), bool), MM).any()


def test_voxels_that_touch_at_a_corner_are_one_component():
    mask = np.zeros((4, 4, 4), bool)
    mask[0, 0, 0] = mask[1, 1, 1] = True
    assert drop_small_components(mask, MM, gap_mm=0, min_share=1).sum() == 2


def test_vertebrae_parted_by_discs_are_one_spine_and_a_larger_heart_is_not():
    mask = np.zeros((60, 10, 30), bool)
    for bottom in (0, 10, 20):  # three vertebrae of 7 planes at 1 mm, discs of 3 mm
        mask[:5, :5, bottom : bottom + 7] = True  # 175 voxels each, 525 together
    mask[30:40, :5, :6] = True  # 300 voxels, 26 mm off
    assert drop_small_components(mask, MM, min_share=1, gap_mm=0).sum() == 300
    kept = drop_small_components(mask, MM, min_share=1, gap_mm=4)
    assert kept.sum() == 525
    assert not kept[30:].any()


def test_the_gap_is_in_mm_along_every_axis():
    mask = np.zeros((9, 1, 9), bool)
    mask[0, 0, 0] = mask[8, 0, 1] = True  # 8 voxels of 0.5 mm apart along x, one of 4 mm along z
    assert drop_small_components(mask, (0.5, 1.0, 4.0), min_share=1, gap_mm=4).sum() == 2
    mask[8, 0] = np.roll(mask[8, 0], 1)  # now two of 4 mm along z
    mask[7, 0, 2] = True
    assert drop_small_components(mask, (0.5, 1.0, 4.0), min_share=1, gap_mm=4).sum() == 2
    assert not drop_small_components(mask, (0.5, 1.0, 4.0), min_share=1, gap_mm=4)[0].any()


def test_a_share_outside_0_1_is_refused():
    with pytest.raises(ValueError, match="min_share must be in"):
        drop_small_components(_mask(), MM, min_share=2)
    with pytest.raises(ValueError, match="gap_mm must not be negative"):
        drop_small_components(_mask(), MM, gap_mm=-1)
