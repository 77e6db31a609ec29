"""Clean-up of a predicted mask."""

import numpy as np
from scipy import ndimage

GAP_MM = 4.0
"""Vertebrae that a disc parts are still one spine; a heart full of contrast, 30 mm in front of it, is not."""


def drop_small_components(mask: np.ndarray, spacing_mm, min_share: float = 0.3, gap_mm: float = GAP_MM) -> np.ndarray:
    """Drop components smaller than a share of the largest: kidney stones, calcified vessels, chambers of the heart.

    Components are found on blocks of `gap_mm` (rounded down to whole voxels, at least one), with 26 neighbours: voxels
    that far apart along each axis, or nearer, are always of one component, voxels twice as far never by themselves.

    Args:
        mask: (x, y, z) bool.
        spacing_mm: voxel sizes along x, y, z.
        min_share: in [0, 1]; 1 keeps the largest component alone, 0 everything.
        gap_mm: 0 for parts that touch only.

    Returns:
        (x, y, z) bool.

    Raises:
        ValueError: min_share out of its range, a negative gap.
    """
    if not 0 <= min_share <= 1:
        raise ValueError(f"min_share must be in [0, 1]. Received: min_share={min_share!r}")
    if gap_mm < 0:
        raise ValueError(f"gap_mm must not be negative. Received: gap_mm={gap_mm!r}")
    if min_share == 0 or not mask.any():
        return mask
    box = ndimage.find_objects(mask.astype(np.uint8))[0]
    inner = blocks = mask[box]
    sides = [max(1, int(gap_mm / mm)) for mm in spacing_mm]
    for axis, side in enumerate(sides):
        blocks = np.logical_or.reduceat(blocks, np.arange(0, inner.shape[axis], side), axis=axis)
    labels, _ = ndimage.label(blocks, structure=np.ones((3, 3, 3)))
    of_voxel = [np.arange(n) // side for n, side in zip(inner.shape, sides, strict=True)]
    labels = labels[np.ix_(*of_voxel)] * inner  # (x, y, z) again
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    kept = np.zeros_like(mask)
    kept[box] = (sizes >= min_share * sizes.max())[labels] & inner
    return kept
