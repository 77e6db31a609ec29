"""Cuts voxels into parts for rendering, and puts them together again: a thick slice averages over what lies in it."""

from dataclasses import replace

import numpy as np

from spine_tf.data.synthesis.phantom.shapes import Frame

MOST_VOXELS = 9_000_000
"""Of the grid that is rendered."""
_THIN_MM = 2.2
_MOST_PARTS = 3

Parts = tuple[int, int, int]


def choose_parts(frame: Frame) -> Parts:
    """Choose into how many parts each voxel is cut along each axis: thick axes first, as far as MOST_VOXELS allows."""
    room, parts = MOST_VOXELS / np.prod(frame.shape), [1, 1, 1]
    for axis in np.argsort(frame.spacing_mm)[::-1]:
        wanted = min(_MOST_PARTS, int(np.ceil(frame.spacing_mm[axis] / _THIN_MM)))
        if wanted <= room:
            parts[axis], room = wanted, room / wanted
    return tuple(parts)


def finer_frame(frame: Frame, parts: Parts) -> Frame:
    """Return the same box with each voxel cut into parts."""
    spacing = tuple(s / n for s, n in zip(frame.spacing_mm, parts, strict=True))
    origin = tuple(o - (n - 1) / 2 * s for o, n, s in zip(frame.origin_mm, parts, spacing, strict=True))
    shape = tuple(count * n for count, n in zip(frame.shape, parts, strict=True))
    return replace(frame, shape=shape, spacing_mm=spacing, origin_mm=origin)


def mean_of_parts(array: np.ndarray, parts: Parts) -> np.ndarray:
    """Put the parts of an array (x, y, z) together: each voxel is their mean."""
    return array if parts == (1, 1, 1) else _split(array, parts).mean(axis=(1, 3, 5))


def majority_of_parts(labels: np.ndarray, parts: Parts) -> np.ndarray:
    """Put the parts of a label map (x, y, z) together.

    A voxel of which at least half is labelled gets the largest id in it, any other is background.
    """
    if parts == (1, 1, 1):
        return labels
    split = _split(labels, parts)
    return np.where((split > 0).mean(axis=(1, 3, 5)) >= 0.5, split.max(axis=(1, 3, 5)), 0).astype(labels.dtype)


def _split(array, parts) -> np.ndarray:
    return array.reshape([n for count, part in zip(array.shape, parts, strict=True) for n in (count // part, part)])
