"""Measures the overlap of two masks: Dice and Jaccard of the volume, and the paper's means over slices.

Source: paper, "Dice coefficient score" and "Jaccard index". The paper scores 2-D slices; where most hold no spine
and an empty one counts 1, a mean over slices says little about the spine. The score of a case is that of its volume.
"""

import numpy as np

from spine_tf.views.slices import VIEW_AXIS


def dice(truth: np.ndarray, mask: np.ndarray) -> float:
    """Compute the Dice coefficient 2 |A and B| / (|A| + |B|) of two masks.

    Source: paper, "Dice coefficient score".

    Args:
        truth, mask: bool arrays of one shape, any number of axes.

    Returns:
        a number in [0, 1]; 1 when both are empty.

    Raises:
        ValueError: another dtype than bool, or unequal shapes.

    Example:
        >>> dice(np.array([True, True, False]), np.array([True, False, False]))
        0.6666666666666666
    """
    return float(_dice(*_counts(truth, mask)))


def jaccard(truth: np.ndarray, mask: np.ndarray) -> float:
    """Compute the Jaccard index |A and B| / |A or B| of two masks.

    Source: paper, "Jaccard index". Arguments and errors are those of `dice`.

    Returns:
        a number in [0, 1]; 1 when both are empty.

    Example:
        >>> jaccard(np.array([True, True, False]), np.array([True, False, False]))
        0.5
    """
    return float(_jaccard(*_counts(truth, mask)))


def slice_mean_dice(truth: np.ndarray, mask: np.ndarray, view: str = "axial") -> float:
    """Compute the mean Dice of the slices of a view; a slice that is empty in both masks counts 1.

    Args:
        truth, mask: (x, y, z) bool.
        view: "axial", "coronal" or "sagittal".
    """
    return float(np.mean(_dice(*_counts(truth, mask, view))))


def slice_mean_jaccard(truth: np.ndarray, mask: np.ndarray, view: str = "axial") -> float:
    """Compute the mean Jaccard index of the slices of a view; as `slice_mean_dice`."""
    return float(np.mean(_jaccard(*_counts(truth, mask, view))))


def check_masks(truth: np.ndarray, mask: np.ndarray) -> None:
    """Refuse what is no pair of masks: probabilities or labels would be counted without a word.

    Raises:
        ValueError: another dtype than bool, or unequal shapes.
    """
    for name, array in (("truth", truth), ("mask", mask)):
        if array.dtype != bool:
            raise ValueError(f"{name} must be a bool array. Received: dtype {array.dtype}")
    if truth.shape != mask.shape:
        raise ValueError(f"mask must have the truth's shape {truth.shape}. Received: shape {mask.shape}")


def _counts(truth, mask, view=None):
    """Count the voxels in both, in the truth and in the mask: of all, or of each slice of a view."""
    check_masks(truth, mask)
    axes = None if view is None else tuple({0, 1, 2} - {VIEW_AXIS[view]})
    return [np.count_nonzero(array, axis=axes) for array in (truth & mask, truth, mask)]


def _dice(both, in_truth, in_mask):
    return _ratio(2 * both, in_truth + in_mask)


def _jaccard(both, in_truth, in_mask):
    return _ratio(both, in_truth + in_mask - both)


def _ratio(part, whole):
    return np.where(whole == 0, 1.0, part / np.maximum(whole, 1))
