"""A volume as axial, coronal and sagittal slices, and three stacks of slice predictions as one volume again.

An image is a slice with its two remaining axes in canonical order: axial (x, y), coronal (x, z), sagittal (y, z). Its
three channels are the slice and its two native neighbours. Everything here is linear: matrices from `preprocess`.
"""

import math
from collections.abc import Iterator

import numpy as np

from spine_tf.config import VIEWS, PreprocessSpec
from spine_tf.preprocess import along_axis, normalise, resize_matrix

VIEW_AXIS = {"axial": 2, "coronal": 1, "sagittal": 0}
"""The axis of (x, y, z) that is fixed in a slice of the view."""


def plane_axes(view: str) -> tuple[int, int]:
    """The two axes of (x, y, z) that an image of the view spans, in order."""
    first, second = (axis for axis in range(3) if axis != VIEW_AXIS[view])
    return first, second


def n_steps(shape: tuple[int, int, int], spec: PreprocessSpec, spacing_mm=None, pixel_mm: float | None = None) -> int:
    """How many triplets a volume of this shape (x, y, z) is cut into at prediction.

    The largest number of slices of the three views, but no more than the image has pixels (`max_steps=None`): finer
    steps than pixels tell the network nothing. `max_steps=0` takes every slice. With `pixel_mm` the volume may fill
    only a part of the image; then it is no more than the pixels it fills.
    """
    limit = spec.image_size if spec.max_steps is None else spec.max_steps
    if pixel_mm is not None and limit:
        limit = min(limit, math.ceil(max(n * mm for n, mm in zip(shape, spacing_mm, strict=True)) / pixel_mm))
    most = max(shape)
    return most if limit == 0 else min(most, limit)


def step_indices(n_slices: int, steps: int) -> np.ndarray:
    """The slice that each step takes: step t the one nearest to relative position t/(steps-1). int64 (steps,)."""
    position = np.linspace(0.0, 1.0, steps) if steps > 1 else np.array([0.5])
    return np.floor(position * (n_slices - 1) + 0.5).astype(np.int64)


def putback_matrix(n_slices: int, indices: np.ndarray) -> np.ndarray:
    """The (n_slices, steps) matrix from predictions at `indices` to every slice; rows sum to 1, float32.

    A slice taken by several steps gets their mean; one between two taken slices is interpolated linearly; one before
    the first or after the last taken slice gets that one's value.
    """
    taken, first = np.unique(indices, return_inverse=True)
    mean_of_steps = np.zeros((len(taken), len(indices)))
    mean_of_steps[first, np.arange(len(indices))] = 1.0
    mean_of_steps /= mean_of_steps.sum(axis=1, keepdims=True)
    slices = np.arange(n_slices)
    interpolate = np.stack([np.interp(slices, taken, row) for row in np.eye(len(taken))], axis=1)
    return (interpolate @ mean_of_steps).astype(np.float32)


def cut_slices(
    hu,
    view: str,
    indices,
    window_hu,
    spacing_mm,
    spec: PreprocessSpec,
    *,
    smoothing_mm: float | None = None,
    pixel_mm: float | None = None,
    xp=np,
):
    """Cut, clamp, smooth and resize the slices of one view.

    Args:
        hu: (x, y, z) HU, any real dtype.
        view: one of VIEWS.
        indices: (n,) integers, slices along the view's axis; beyond the border the border slice is repeated.
        window_hu: the HU that become 0 and 1 (`preprocess.clamp_window`).
        spacing_mm: (3,) voxel size.
        spec: image_size and smoothing_mm are used.
        smoothing_mm: instead of the spec's (random smoothing in training).
        pixel_mm: size of a pixel, the slice in the middle of the image and 0 (the HU of window_hu's lower end) around
            it; what does not fit is cut off. None: the slice is stretched to the image (paper).

    Returns:
        (n, image_size, image_size) float32 in [0, 1].
    """
    axis, sigma_mm = VIEW_AXIS[view], spec.smoothing_mm if smoothing_mm is None else smoothing_mm
    indices = xp.clip(indices, 0, hu.shape[axis] - 1)
    slices = xp.moveaxis(_planes(hu, indices, axis, xp), axis, 0)  # (n, a, b)
    slices = normalise(slices, window_hu, xp)
    for image_axis, volume_axis in enumerate(plane_axes(view), start=1):
        mm = spacing_mm[volume_axis]
        step = None if pixel_mm is None else pixel_mm / mm
        matrix = resize_matrix(hu.shape[volume_axis], spec.image_size, sigma_mm / mm, step, xp)
        slices = along_axis(matrix, slices, image_axis, xp)
    return slices  # (n, H, W)


def with_neighbours(slices, indices, xp=np):
    """Stack each slice with the one before and the one after it as channels.

    Args:
        slices: (n_slices, H, W), every slice of a view.
        indices: (batch,) integers.

    Returns:
        (batch, H, W, 3).
    """
    last = slices.shape[0] - 1
    return xp.stack([xp.take(slices, xp.clip(indices + d, 0, last), axis=0) for d in (-1, 0, 1)], axis=-1)


def fuse_views(
    predictions: dict[str, np.ndarray],
    shape: tuple[int, int, int],
    slab: int = 32,
    *,
    spacing_mm=None,
    pixel_mm: float | None = None,
    xp=np,
) -> Iterator[tuple[slice, np.ndarray]]:
    """Put three stacks of slice probabilities back on the volume's grid and average them, slab by slab along x.

    Args:
        predictions: view -> (steps, H, W) probabilities at `step_indices(shape[axis], steps)`.
        shape: (x, y, z) of the volume.
        slab: planes of x per slab; memory is that of one slab, never of the volume.
        spacing_mm: voxel size, needed with pixel_mm.
        pixel_mm: as in `cut_slices`.

    Yields:
        (planes of x, float32 (planes, y, z) mean of the views).
    """
    stacks = []
    for view in VIEWS:
        axis, stack = VIEW_AXIS[view], predictions[view]
        steps = [None] * 3 if pixel_mm is None else [mm / pixel_mm for mm in spacing_mm]
        sizes = _unfixed(stack.shape, axis)
        matrices = [resize_matrix(size, n, 0.0, by, xp) for size, n, by in zip(sizes, shape, steps, strict=True)]
        matrices[axis] = putback_matrix(shape[axis], step_indices(shape[axis], stack.shape[0]))
        stacks.append((xp.moveaxis(stack, 0, axis), matrices))  # (x, y, z) in image pixels and steps
    for start in range(0, shape[0], slab):
        planes = slice(start, min(start + slab, shape[0]))
        total = 0.0
        for stack, (to_x, to_y, to_z) in stacks:
            part = along_axis(to_x[planes], stack, 0, xp)
            # z before y: y is the longer axis in most scans, and the last product costs the most.
            total = total + along_axis(to_y, along_axis(to_z, part, 2, xp), 1, xp)
        yield planes, total / len(VIEWS)


def _planes(hu, indices, axis, xp):
    if xp is np:
        # Not np.take: from a turned or cropped view, as most volumes are, it copies the whole of it first.
        return hu[(slice(None),) * axis + (indices,)]
    return xp.take(hu, indices, axis=axis)


def _unfixed(stack_shape: tuple[int, int, int], axis: int) -> list[int]:
    """(steps, H, W) -> image sizes in (x, y, z) order, the fixed axis standing for its steps."""
    sizes = list(stack_shape[1:])
    sizes.insert(axis, stack_shape[0])
    return sizes
