import numpy as np
import pytest
from sklearn.metrics import f1_score, jaccard_score

from spine_tf.scoring.overlap import dice, jaccard, slice_mean_dice, slice_mean_jaccard


def masks(*boxes, shape=(4, 4, 4)):
    made = []
    for box in boxes:
        mask = np.zeros(shape, bool)
        mask[box] = True
        made.append(mask)
    return made


def test_half_of_each_other():
    truth, mask = masks(np.s_[0:2], np.s_[1:3])
    # 16 voxels are in both, 32 in each, 48 in either.
    assert dice(truth, mask) == 0.5
    assert jaccard(truth, mask) == pytest.approx(1 / 3)


def test_equal_disjoint_and_empty():
    truth, other, empty = masks(np.s_[0], np.s_[3], np.s_[0:0])
    assert (dice(truth, truth), jaccard(truth, truth)) == (1.0, 1.0)
    assert (dice(truth, other), jaccard(truth, other)) == (0.0, 0.0)
    assert (dice(truth, empty), jaccard(empty, truth)) == (0.0, 0.0)
    assert (dice(empty, empty), jaccard(empty, empty)) == (1.0, 1.0)


@pytest.mark.parametrize("seed", range(5))
def test_scikit_learn_agrees(seed):
    rng = np.random.default_rng(seed)
    truth, mask = (rng.random((5, 6, 7)) < share for share in rng.random(2))
    assert dice(truth, mask) == pytest.approx(f1_score(truth.ravel(), mask.ravel()))
    assert jaccard(truth, mask) == pytest.approx(jaccard_score(truth.ravel(), mask.ravel()))
    per_slice = [f1_score(truth[:, :, z].ravel(), mask[:, :, z].ravel(), zero_division=1) for z in range(7)]
    assert slice_mean_dice(truth, mask) == pytest.approx(np.mean(per_slice))


def test_memory_order_does_not_matter():
    rng = np.random.default_rng(0)
    truth, mask = (rng.random((5, 6, 7)) < 0.4 for _ in range(2))
    assert dice(np.asfortranarray(truth), mask) == dice(truth, mask)


def test_an_empty_slice_counts_one_in_the_mean_over_slices():
    # Axial: slice 0 agrees, slice 1 is missed, slices 2 and 3 are empty in both.
    truth, mask = masks(np.s_[:, :, 0:2], np.s_[:, :, 0:1])
    assert slice_mean_dice(truth, mask) == (1 + 0 + 1 + 1) / 4
    assert slice_mean_jaccard(truth, mask) == (1 + 0 + 1 + 1) / 4
    assert dice(truth, mask) == pytest.approx(2 / 3)


def test_each_view_has_its_own_slices():
    truth, mask = masks(np.s_[:, :, 0:2], np.s_[:, :, 0:1])
    # In a coronal or sagittal slice half of the true voxels are found.
    for view in ("coronal", "sagittal"):
        assert slice_mean_dice(truth, mask, view) == pytest.approx(2 / 3)
        assert slice_mean_jaccard(truth, mask, view) == pytest.approx(1 / 2)
    truth, mask = masks(np.s_[0], np.s_[0:2])
    assert slice_mean_dice(truth, mask, "sagittal") == (1 + 0 + 1 + 1) / 4


def test_what_is_no_pair_of_masks_is_refused():
    truth, mask = masks(np.s_[0], np.s_[1])
    with pytest.raises(ValueError, match=r"mask must be a bool array. Received: dtype float32"):
        dice(truth, mask.astype(np.float32))
    with pytest.raises(ValueError, match=r"truth must be a bool array. Received: dtype int64"):
        jaccard(truth.astype(np.int64), mask)
    with pytest.raises(ValueError, match=r"shape \(4, 4, 4\). Received: shape \(3, 4, 4\)"):
        dice(truth, mask[:3])
