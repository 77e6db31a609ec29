"""What a mask scores that no network was trained for: the rows without which a table of scores says nothing."""

import numpy as np

from spine_tf.scoring.overlap import dice
from spine_tf.scoring.surface import bounding_box, distance_to
from spine_tf.views.components import drop_small_components

HU_THRESHOLD, EVERYTHING = "HU threshold + largest component", "everything foreground"

THRESHOLDS_HU = (100, 150, 200, 250, 300, 400)
CLOSING_MM = 2.0
COARSE_MM = 2.0
"""About this voxel size is fine enough to choose a threshold at."""


def baseline_masks(hu: np.ndarray, spacing_mm: tuple[float, float, float], truth: np.ndarray) -> dict[str, np.ndarray]:
    """The baselines' masks of a scan by the name of the method, each (x, y, z) bool.

    The threshold is the best of THRESHOLDS_HU for this very scan, chosen with its truth: an upper bound that no real
    method of this kind reaches.

    Args:
        hu: (x, y, z) HU.
        spacing_mm: voxel size along x, y, z.
        truth: (x, y, z) bool.
    """
    threshold_hu = best_threshold_hu(hu, spacing_mm, truth)
    return {
        HU_THRESHOLD: threshold_mask(hu, spacing_mm, threshold_hu),
        EVERYTHING: np.ones(truth.shape, bool),
    }


def threshold_mask(hu: np.ndarray, spacing_mm: tuple[float, float, float], threshold_hu: float) -> np.ndarray:
    """The largest component of the voxels from `threshold_hu` on, closed with a ball of CLOSING_MM. (x, y, z) bool."""
    return _closed(_largest_component(hu, threshold_hu), spacing_mm, CLOSING_MM)


def best_threshold_hu(hu: np.ndarray, spacing_mm: tuple[float, float, float], truth: np.ndarray) -> int:
    """The one of THRESHOLDS_HU whose largest component has the best Dice, on every nth voxel (about COARSE_MM)."""
    coarse = tuple(slice(None, None, max(1, round(COARSE_MM / s))) for s in spacing_mm)
    coarse_hu, coarse_truth = hu[coarse], np.ascontiguousarray(truth[coarse])
    return max(THRESHOLDS_HU, key=lambda t: dice(coarse_truth, _largest_component(coarse_hu, t)))


def _largest_component(hu: np.ndarray, threshold_hu: float) -> np.ndarray:
    # A volume turned to RAS+ keeps its axes swapped in memory; labelling across that order takes six times as long.
    return drop_small_components(np.ascontiguousarray(hu >= threshold_hu), (1.0, 1.0, 1.0), min_share=1.0, gap_mm=0.0)


def _closed(mask: np.ndarray, spacing_mm: tuple[float, float, float], radius_mm: float) -> np.ndarray:
    """Closing with a ball: as dilation, then erosion, both by distance, so that anisotropic voxels need no kernel."""
    if not mask.any():
        return mask
    box = bounding_box(mask)
    pad = [int(radius_mm / s) + 1 for s in spacing_mm]
    padded = np.pad(mask[box], [(p, p) for p in pad])
    # 1.999999 mm in one header and 2 mm in the other must not close differently.
    radius_mm += 0.01
    grown = distance_to(padded, spacing_mm) <= radius_mm
    kept = distance_to(~grown, spacing_mm) > radius_mm
    closed = np.zeros_like(mask)
    closed[box] = kept[tuple(slice(p, -p) for p in pad)]
    return closed
