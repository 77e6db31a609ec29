import numpy as np
import pytest

from spine_tf.postprocess import drop_small_components


def _mask():
    mask = np.zeros((20, 8, 8), bool)
    mask[0:10] = True  # 640 voxels
    mask[12:14, :4, :4] = True  # 32 voxels, a twentieth
    mask[16:18, :, :] = True  # 128 voxels, a fifth
    return mask


def test_components_below_the_share_go():
    kept = drop_small_components(_mask(), 0.1)
    assert kept.sum() == 640 + 128
    assert not kept[12:14].any()


def test_one_keeps_the_largest_alone_and_zero_everything():
    assert drop_small_components(_mask(), 1).sum() == 640
    assert drop_small_components(_mask(), 0).sum() == 800


def test_an_empty_mask_stays_empty():
    assert not drop_small_components(np.zeros((3, 3, 3), bool)).any()


def test_voxels_that_touch_at_a_corner_are_one_component():
    mask = np.zeros((4, 4, 4), bool)
    mask[0, 0, 0] = mask[1, 1, 1] = True
    assert drop_small_components(mask, 1).sum() == 2


def test_a_share_outside_0_1_is_refused():
    with pytest.raises(ValueError, match="min_share must be in"):
        drop_small_components(_mask(), 2)
