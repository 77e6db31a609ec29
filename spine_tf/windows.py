"""Where a volume is looked at: overlapping windows that cover it, and the box around a spine that was found.

With isotropic pixels an image spans `image_size * pixel_mm`; a larger volume is covered by windows, and what they say
is blended by weights that sum to 1 in every voxel.
"""

import itertools
import math
from collections.abc import Iterator

import numpy as np

Box = tuple[slice, slice, slice]

OVERLAP = 0.25
"""Least share of a window's side that it has in common with the next one."""


def window_boxes(shape: tuple[int, int, int], spacing_mm, span_mm: float | None) -> Iterator[tuple[Box, list]]:
    """Cover a volume by windows.

    Args:
        shape: (x, y, z) voxels.
        spacing_mm: voxel size.
        span_mm: longest side of a window; None: one window is the whole volume.

    Yields:
        a box of voxels, and its blending weights along x, y, z, float32 each. Over all windows the products of the
        three sum to 1 in every voxel.
    """
    axes = []
    for n, mm in zip(shape, spacing_mm, strict=True):
        side = n if span_mm is None else min(n, max(1, math.floor(span_mm / mm)))
        count = 1 if side >= n else math.ceil((n - OVERLAP * side) / ((1 - OVERLAP) * side))
        starts = np.rint(np.linspace(0, n - side, count)).astype(int)
        # Highest in a window's middle: near its border a network sees half of the context.
        hat = np.minimum(np.arange(1, side + 1), np.arange(side, 0, -1)).astype(np.float32)
        total = np.zeros(n, np.float32)
        for start in starts:
            total[start : start + side] += hat
        axes.append([(slice(int(a), int(a) + side), hat / total[a : a + side]) for a in starts])
    for window in itertools.product(*axes):
        yield tuple(side for side, _ in window), [weights for _, weights in window]


def box_around(mask: np.ndarray, spacing_mm, margin_mm: tuple[float, ...]) -> Box | None:
    """The box around a mask (x, y, z) bool, with a margin on both sides of each axis where the volume is that large.

    None where the mask is empty.
    """
    if not mask.any():
        return None
    box = []
    for axis, (mm, margin) in enumerate(zip(spacing_mm, margin_mm, strict=True)):
        inside = np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis})))
        more = math.ceil(margin / mm)
        box.append(slice(max(0, int(inside[0]) - more), min(mask.shape[axis], int(inside[-1]) + 1 + more)))
    return tuple(box)
