"""Cleans a predicted mask of what is no spine: components that are small beside the largest."""

from spine_tf.views.backend import NUMPY
from spine_tf.views.tiles import box_around

GAP_MM = 4.0
"""Vertebrae that a disc parts are still one spine; a heart full of contrast, 30 mm in front of it, is not."""


def drop_small_components(mask, spacing_mm, min_share: float = 0.3, gap_mm: float = GAP_MM, backend=NUMPY):
    """Drop components smaller than a share of the largest: kidney stones, calcified vessels, chambers of the heart.

    Components are found on blocks of `gap_mm` (rounded down to whole voxels, at least one), with 26 neighbours: voxels
    that far apart along each axis, or nearer, are always of one component, voxels twice as far never by themselves.

    Args:
        mask: (x, y, z) bool.
        spacing_mm: voxel sizes along x, y, z.
        min_share: in [0, 1]; 1 keeps the largest component alone, 0 everything.
        gap_mm: 0 for parts that touch only.
        backend: what runs it (`views/backend.py`).

    Returns:
        (x, y, z) bool.

    Raises:
        ValueError: min_share out of its range, a negative gap.

    Example:
        >>> import numpy as np
        >>> mask = np.zeros((1, 1, 40), bool)
        >>> mask[..., :10] = mask[..., 12:15] = mask[..., 38:] = True
        >>> kept = drop_small_components(mask, spacing_mm=(1.0, 1.0, 1.0))
        >>> np.flatnonzero(kept).tolist()
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14]
    """
    if not 0 <= min_share <= 1:
        raise ValueError(f"min_share must be in [0, 1]. Received: min_share={min_share!r}")
    if gap_mm < 0:
        raise ValueError(f"gap_mm must not be negative. Received: gap_mm={gap_mm!r}")
    if min_share == 0:
        return mask
    xp = backend.xp
    box = box_around(mask, spacing_mm, (0.0, 0.0, 0.0), backend)
    inner = blocks = mask[box]
    of_voxel = []
    for axis, mm in enumerate(spacing_mm):
        n, side = xp.shape(inner)[axis], xp.maximum(1, xp.array(xp.floor(gap_mm / mm), dtype="int32"))
        voxels = xp.arange(0, n, side, dtype="int32")[:, None] + xp.arange(side, dtype="int32")[None, :]
        blocks = xp.any(xp.take(blocks, xp.minimum(voxels, n - 1), axis=axis), axis=axis + 1)
        of_voxel.append(xp.arange(n, dtype="int32") // side)
    labels = backend.components(blocks)
    for axis, ids in enumerate(of_voxel):
        labels = xp.take(labels, ids, axis=axis)  # (x, y, z) again
    labels = xp.where(inner, labels, 0)
    sizes = xp.bincount(xp.reshape(labels, (-1,)))
    sizes = xp.where(xp.arange(xp.shape(sizes)[0]) > 0, sizes, 0)
    large = xp.array(sizes, dtype="float64") >= min_share * xp.array(xp.max(sizes), dtype="float64")
    return backend.place(xp.logical_and(xp.take(large, labels), inner), box, xp.shape(mask))
