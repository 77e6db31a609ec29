"""Makes masks without a network: the baselines that a network has to beat."""

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
    """Make the masks of both baselines for a scan.

    The threshold is the best of THRESHOLDS_HU for this very scan, chosen with its truth: an upper bound that no real
    method of this kind reaches.

    Args:
        hu: (x, y, z) HU.
        spacing_mm: voxel size along x, y, z.
        truth: (x, y, z) bool.

    Returns:
        name of the method -> mask (x, y, z) bool.

    Example:
        >>> hu = np.full((8, 8, 8), -1000)
        >>> hu[2:6, 2:6, 2:6] = 250
        >>> {name: int(mask.sum()) for name, mask in baseline_masks(hu, (1.0, 1.0, 1.0), hu > 0).items()}
        {'HU threshold + largest component': 64, 'everything foreground': 512}
    """
    threshold_hu = best_threshold_hu(hu, spacing_mm, truth)
    return {
        HU_THRESHOLD: threshold_mask(hu, spacing_mm, threshold_hu),
        EVERYTHING: np.ones(truth.shape, bool),
    }


def threshold_mask(hu: np.ndarray, spacing_mm: tuple[float, float, float], threshold_hu: float) -> np.ndarray:
    """Take the largest component of the voxels from a threshold on, closed with a ball of CLOSING_MM.

    Args:
        hu: (x, y, z) HU.
        spacing_mm: voxel size along x, y, z.
        threshold_hu: the least value of a voxel that counts.

    Returns:
        (x, y, z) bool.
    """
    return _closed(_largest_component(hu, threshold_hu), spacing_mm, CLOSING_MM)


def best_threshold_hu(hu: np.ndarray, spacing_mm: tuple[float, float, float], truth: np.ndarray) -> int:
    """Choose the one of THRESHOLDS_HU whose largest component has the best Dice, on a grid of about COARSE_MM.

    Args:
        hu: (x, y, z) HU.
        spacing_mm: voxel size along x, y, z.
        truth: (x, y, z) bool.
    """
    steps = tuple(slice(None, None, max(1, round(COARSE_MM / s))) for s in spacing_mm)
    coarse_hu, coarse_truth = hu[steps], np.ascontiguousarray(truth[steps])
    return max(THRESHOLDS_HU, key=lambda t: dice(coarse_truth, _largest_component(coarse_hu, t)))


def _largest_component(hu: np.ndarray, threshold_hu: float) -> np.ndarray:
    # A volume turned to RAS+ keeps its axes swapped in memory; labelling across that order takes six times as long.
    return drop_small_components(np.ascontiguousarray(hu >= threshold_hu), (1.0, 1.0, 1.0), min_share=1.0, gap_mm=0.0)


def _closed(mask: np.ndarray, spacing_mm: tuple[float, float, float], radius_mm: float) -> np.ndarray:
    """Close with a ball: dilate, then erode, both by distance, so that anisotropic voxels need no kernel."""
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
