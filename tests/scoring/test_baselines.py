import numpy as np
import pytest
from scipy.ndimage import binary_closing

from spine_tf.data.cases import Case
from spine_tf.data.loading import load_case
from spine_tf.scans.labels import spine_mask
from spine_tf.scoring.baselines import (
    EVERYTHING,
    HU_THRESHOLD,
    THRESHOLDS_HU,
    _closed,
    baseline_masks,
    best_threshold_hu,
    threshold_mask,
)
from spine_tf.scoring.overlap import dice


def scan():
    """A spine of 280 HU, a rib of 280 HU apart from it, a denser kidney stone; tissue of 160 HU touches the spine."""
    hu = np.full((40, 40, 40), -50, np.int16)
    truth = np.zeros(hu.shape, bool)
    truth[15:25, 15:25, 5:35] = True
    hu[10:30, 10:30, 5:35] = 160
    hu[truth] = 280
    hu[2:4, 2:38, 20:22] = 280
    hu[35:38, 35:38, 35:38] = 900
    return hu, truth


def test_the_best_threshold_finds_the_spine_alone():
    hu, truth = scan()
    assert best_threshold_hu(hu, (1.0, 1.0, 1.0), truth) in (200, 250)
    np.testing.assert_array_equal(threshold_mask(hu, (1.0, 1.0, 1.0), 200), truth)
    # At 100 HU the tissue belongs to it, at 400 HU there is the stone alone.
    assert threshold_mask(hu, (1.0, 1.0, 1.0), 100).sum() == 20 * 20 * 30
    assert threshold_mask(hu, (1.0, 1.0, 1.0), 400).sum() == 27


def test_both_baselines_by_name():
    hu, truth = scan()
    masks = baseline_masks(hu, (1.0, 1.0, 1.0), truth)
    assert list(masks) == [HU_THRESHOLD, EVERYTHING] == ["HU threshold + largest component", "everything foreground"]
    assert dice(truth, masks[HU_THRESHOLD]) == 1.0
    assert masks[EVERYTHING].all()
    assert len(THRESHOLDS_HU) == 6


def test_a_turned_volume_gives_the_turned_mask():
    hu, truth = scan()
    turned = np.asfortranarray(hu[::-1]).transpose(1, 2, 0)
    masks = baseline_masks(turned, (1.0, 1.0, 1.0), truth[::-1].transpose(1, 2, 0))
    np.testing.assert_array_equal(masks[HU_THRESHOLD], truth[::-1].transpose(1, 2, 0))


def test_holes_up_to_the_radius_are_closed():
    hu, truth = scan()
    hu[20, 20, 10:12] = -50
    np.testing.assert_array_equal(threshold_mask(hu, (1.0, 1.0, 1.0), 200), truth)


@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0, 1.0), (0.8, 1.0, 1.9), (0.5, 0.7, 3.0)])
def test_closing_is_that_of_a_ball_in_millimetres(spacing_mm):
    mask = np.random.default_rng(0).random((18, 17, 16)) < 0.1
    reach = [int(2.0 / s) for s in spacing_mm]
    offsets = np.meshgrid(*(np.arange(-n, n + 1) * s for n, s in zip(reach, spacing_mm, strict=True)), indexing="ij")
    ball = sum(o**2 for o in offsets) <= 2.0**2 + 1e-6
    pad = [(n, n) for n in reach]
    inside = tuple(slice(n, n + size) for n, size in zip(reach, mask.shape, strict=True))
    expected = binary_closing(np.pad(mask, pad), ball)[inside]
    np.testing.assert_array_equal(_closed(mask, spacing_mm, 2.0), expected)


def test_rounding_in_a_header_does_not_change_the_closing():
    mask = np.random.default_rng(0).random((18, 17, 16)) < 0.1
    exact = _closed(mask, (1.0, 1.0, 2.0), 2.0)
    np.testing.assert_array_equal(_closed(mask, (1.0, 1.0, 2.000001), 2.0), exact)


def test_a_scan_without_bone():
    hu, empty = np.full((12, 12, 12), -1000, np.int16), np.zeros((12, 12, 12), bool)
    assert not baseline_masks(hu, (1.0, 1.0, 1.0), empty)[HU_THRESHOLD].any()


def test_a_real_scan_scores_what_a_threshold_scores(shared_data):
    folder = shared_data / "verse014"
    names = ("sub-verse014_ct.nii.gz", "sub-verse014_seg-vert_msk.nii.gz")
    volume, labels = load_case(Case("verse014", "verse014", *(folder / name for name in names)))
    truth = spine_mask(labels)
    masks = baseline_masks(volume.array, volume.spacing_mm, truth)
    assert dice(truth, masks[HU_THRESHOLD]) == pytest.approx(0.69, abs=0.02)
    assert dice(truth, masks[EVERYTHING]) == pytest.approx(0.18, abs=0.01)
