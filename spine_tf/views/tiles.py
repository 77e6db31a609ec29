"""Covers a volume by overlapping tiles, and finds the box around a spine.

With isotropic pixels an image spans `image_size * pixel_mm`; a larger volume is covered by tiles, and what they say
is blended by weights that sum to 1 in every voxel.
"""

import math

from spine_tf.views.backend import NUMPY
from spine_tf.views.preprocess import first_to_last

Box = tuple[slice, slice, slice]

OVERLAP = 0.25
"""Least share of a tile's side that it has in common with the next one."""


def tile_axes(shape, spacing_mm, span_mm: float | None, backend=NUMPY) -> list[tuple]:
    """Cover a volume by tiles, axis by axis; `tile_of` puts the axes together.

    Args:
        shape: (x, y, z) voxels.
        spacing_mm: voxel size.
        span_mm: longest side of a tile; None: one tile is the whole volume.
        backend: what runs it (`views/backend.py`).

    Returns:
        for each axis: starts (count,) int32 of the tiles, their length in voxels, and blending weights
        (count, length) float32, which over the tiles of an axis sum to 1 in every voxel.
    """
    xp, axes = backend.xp, []
    for n, mm in zip(shape, spacing_mm, strict=True):
        side, count = n, 1
        if span_mm is not None:
            side = xp.minimum(n, xp.maximum(1, xp.array(xp.floor(span_mm / mm), dtype="int32")))
            # In whole numbers, so that every backend makes the same tiles: (n - o s) / ((1 - o) s), rounded up.
            parts = round(1 / OVERLAP)
            count = xp.where(side >= n, 1, -((side - parts * n) // ((parts - 1) * side)))
        gaps = xp.maximum(count - 1, 1)
        starts = (2 * xp.arange(count, dtype="int32") * (n - side) + gaps) // (2 * gaps)
        # Highest in a tile's middle: near its border a network sees half of the context.
        ramp = xp.arange(n, dtype="int32")[None, :] - starts[:, None]  # (count, n)
        hats = xp.array(xp.maximum(xp.minimum(ramp + 1, side - ramp), 0), dtype="float32")
        inside = starts[:, None] + xp.arange(side, dtype="int32")[None, :]  # (count, side)
        weights = xp.take_along_axis(hats / xp.sum(hats, axis=0, keepdims=True), inside, axis=1)
        axes.append((starts, side, weights))
    return axes


def tile_count(axes: list[tuple], backend=NUMPY):
    """Count the tiles that the axes make."""
    return math.prod(backend.xp.shape(starts)[0] for starts, _, _ in axes)


def tile_of(axes: list[tuple], number, backend=NUMPY) -> tuple[Box, list]:
    """Give one tile by its number, z fastest.

    Args:
        axes: as `tile_axes` gives them.
        number: from 0 to `tile_count`.
        backend: what runs it.

    Returns:
        a box of voxels, and its blending weights along x, y, z, each (length,) float32.
    """
    box, weights = [], []
    for starts, side, of_axis in reversed(axes):
        count = backend.xp.shape(starts)[0]
        here, number = number % count, number // count
        box.append(slice(starts[here], starts[here] + side))
        weights.append(of_axis[here])
    return tuple(reversed(box)), weights[::-1]


def box_around(mask, spacing_mm, margin_mm: tuple[float, ...], backend=NUMPY) -> Box:
    """Find the box around a mask, with a margin on both sides of each axis where the volume is that large.

    Args:
        mask: (x, y, z) bool.
        spacing_mm: voxel size.
        margin_mm: of each axis.
        backend: what runs it.

    Returns:
        one slice per axis; the whole volume where the mask is empty.
    """
    xp, box = backend.xp, []
    for axis, (mm, margin) in enumerate(zip(spacing_mm, margin_mm, strict=True)):
        inside = first_to_last(xp.any(mask, axis=tuple({0, 1, 2} - {axis})), xp)
        more = xp.array(xp.ceil(margin / mm), dtype="int32")
        stop = xp.minimum(xp.shape(mask)[axis], inside.stop + more)
        box.append(slice(xp.maximum(0, inside.start - more), stop))
    return tuple(box)
