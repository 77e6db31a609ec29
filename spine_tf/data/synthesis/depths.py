"""Computes how deep each voxel of a bone lies below its surface: smooth, although the labels' voxels are coarse."""

import numpy as np
from scipy import ndimage

from spine_tf.data.synthesis.phantom.shapes import Frame

TENTHS = 10
"""Depths are kept as int8 in tenths of a millimetre."""
DEEPEST_MM = 12.7
_AROUND_MM = 7.0
_SMOOTH_MM = 0.6
"""Standard deviation of the Gaussian that rounds the stairs of a label's voxels."""


def in_tenths(depth_mm: np.ndarray) -> np.ndarray:
    """Convert depths in mm to int8 tenths of a millimetre, cut at DEEPEST_MM."""
    return np.rint(np.clip(depth_mm, -DEEPEST_MM, DEEPEST_MM) * TENTHS).astype(np.int8)


def bone_depths(owners: np.ndarray, spacing_mm, frame: Frame):
    """Compute the depth of each bone of a map by itself, on an isotropic grid that starts at the same voxel.

    A bone that the map's border cuts has no surface there.

    Args:
        owners: uint8 (x, y, z), which bone; 0 is none.
        spacing_mm: its voxel sizes (3,).
        frame: the new grid.

    Yields:
        the owner, slices into `frame`, and the depth there, float32 in mm, positive inside.
    """
    at = [np.arange(n) * new / old for n, new, old in zip(frame.shape, frame.spacing_mm, spacing_mm, strict=True)]
    margin = np.ceil(_AROUND_MM / np.asarray(spacing_mm)).astype(int)
    for owner, found in enumerate(ndimage.find_objects(owners), 1):
        if found is not None:
            box = tuple(slice(max(0, s.start - m), s.stop + m) for s, m in zip(found, margin, strict=True))
            place, inner = planes_inside(box, at)
            yield owner, place, smooth_depth(owners[box] == owner, spacing_mm, inner, frame.spacing_mm[0])


def smooth_depth(inside: np.ndarray, spacing_mm, at, grid_mm: float) -> np.ndarray:
    """Compute the depth below a label's surface on a finer, isotropic grid, without the stairs of its voxels.

    Args:
        inside: bool (x, y, z).
        spacing_mm: its voxel sizes.
        at: three arrays, where the new grid's planes lie in voxels of `inside`.
        grid_mm: distance of the new grid's planes.

    Returns:
        float32, one length of `at` an axis, in mm, positive inside.
    """
    phi = ndimage.distance_transform_edt(inside, spacing_mm) - ndimage.distance_transform_edt(~inside, spacing_mm)
    phi = ndimage.gaussian_filter(interpolate(phi.astype(np.float32), at), _SMOOTH_MM / grid_mm)
    solid = phi > 0
    far = ndimage.distance_transform_edt(solid, grid_mm) - ndimage.distance_transform_edt(~solid, grid_mm)
    far -= np.sign(far) * grid_mm / 2
    # Beside the surface a distance between voxels is too coarse; there the smooth function over its slope is exact.
    slope = np.sqrt(sum(np.square(np.gradient(phi, grid_mm, axis=axis)) for axis in range(3)))
    close = np.clip(phi / np.maximum(slope, 0.3), -2 * grid_mm, 2 * grid_mm)
    return np.where(np.abs(far) < 1.2 * grid_mm, close, far).astype(np.float32)


def interpolate(array: np.ndarray, at) -> np.ndarray:
    """Interpolate an array (x, y, z) linearly; beyond its border it goes on as it is there.

    Args:
        array: float32.
        at: three arrays, the planes wanted along each axis, in voxels.

    Returns:
        float32, one length of `at` an axis.
    """
    for axis, planes in enumerate(at):
        planes = np.clip(planes, 0, array.shape[axis] - 1)
        low = np.minimum(planes.astype(int), max(array.shape[axis] - 2, 0))
        part = (planes - low).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
        high = np.minimum(low + 1, array.shape[axis] - 1)
        array = array.take(low, axis) * (1 - part) + array.take(high, axis) * part
    return array


def planes_inside(box, at):
    """Find the planes of a new grid that lie in a box of the old one.

    Args:
        box: slices of the old grid.
        at: three arrays, where the new grid's planes lie in voxels of the old one.

    Returns:
        slices of the new grid, and three arrays, where those planes lie in voxels from the box's first one.
    """
    place, inner = [], []
    for side, planes in zip(box, at, strict=True):
        first, last = np.searchsorted(planes, (side.start, side.stop - 1 + 1e-6))
        place.append(slice(int(first), int(last)))
        inner.append(planes[first:last] - side.start)
    return tuple(place), inner
