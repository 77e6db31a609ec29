"""A volume as axial, coronal and sagittal slices, and three stacks of slice predictions as one volume again.

An image is a slice with its two remaining axes in canonical order: axial (x, y), coronal (x, z), sagittal (y, z). Its
three channels are the slice and its two native neighbours. Everything here is linear: matrices from `preprocess`.
"""

import numpy as np

from spine_tf.config import VIEWS, PreprocessSpec
from spine_tf.views.backend import NUMPY
from spine_tf.views.preprocess import along_axis, normalise, resize_matrix

VIEW_AXIS = {"axial": 2, "coronal": 1, "sagittal": 0}
"""The axis of (x, y, z) that is fixed in a slice of the view."""


def plane_axes(view: str) -> tuple[int, int]:
    """The two axes of (x, y, z) that an image of the view spans, in order."""
    first, second = (axis for axis in range(3) if axis != VIEW_AXIS[view])
    return first, second


def n_steps(shape, spec: PreprocessSpec, spacing_mm=None, pixel_mm: float | None = None, xp=np) -> int:
    """How many triplets a volume of this shape (x, y, z) is cut into at prediction.

    The largest number of slices of the three views, but no more than the image has pixels (`max_steps=None`): finer
    steps than pixels tell the network nothing. `max_steps=0` takes every slice. With `pixel_mm` the volume may fill
    only a part of the image; then it is no more than the pixels it fills.
    """
    limit = spec.image_size if spec.max_steps is None else spec.max_steps
    most = xp.max(xp.stack(shape))
    if limit == 0:
        return most
    if pixel_mm is not None:
        filled = longest_mm(shape, spacing_mm, xp) / pixel_mm
        limit = xp.minimum(limit, xp.array(xp.ceil(filled), dtype="int32"))
    return xp.minimum(most, limit)


def longest_mm(shape, spacing_mm, xp=np):
    """The longest side of a volume, in mm (float64)."""
    sides = [xp.array(n, dtype="float64") * mm for n, mm in zip(shape, spacing_mm, strict=True)]
    return xp.max(xp.stack(sides))


def step_indices(n_slices: int, steps: int, xp=np):
    """The slice that each step takes: step t the one nearest to relative position t/(steps-1), int32 (steps,).

    Halves go up. Whole numbers throughout, so that every runtime takes the same slices.
    """
    gaps = xp.maximum(steps - 1, 1)
    nearest = (2 * xp.arange(steps, dtype="int32") * (n_slices - 1) + gaps) // (2 * gaps)
    return xp.array(xp.where(steps > 1, nearest, n_slices // 2), dtype="int32")


def putback_matrix(n_slices: int, indices, xp=np):
    """The (n_slices, steps) matrix from predictions at `indices` to every slice; rows sum to 1, float32.

    A slice taken by several steps gets their mean; one between two taken slices is interpolated linearly; one before
    the first or after the last taken slice gets that one's value.
    """
    slices, taken = xp.arange(n_slices, dtype="int32")[:, None], indices[None, :]
    first, last = xp.min(indices), xp.max(indices)
    slices = xp.clip(slices, first, last)
    below = xp.max(xp.where(taken <= slices, taken, first), axis=1, keepdims=True)  # (n_slices, 1)
    above = xp.min(xp.where(taken >= slices, taken, last), axis=1, keepdims=True)
    between = xp.array(slices - below, dtype="float32") / xp.array(xp.maximum(above - below, 1), dtype="float32")
    at_below, at_above = (xp.array(taken == edge, dtype="float32") for edge in (below, above))  # (n_slices, steps)
    means = [one / xp.sum(one, axis=1, keepdims=True) for one in (at_below, at_above)]
    return means[0] * (1 - between) + means[1] * between


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
    shape = xp.shape(hu)
    indices = xp.clip(indices, 0, shape[axis] - 1)
    slices = xp.moveaxis(_planes(hu, indices, axis, xp), axis, 0)  # (n, a, b)
    slices = normalise(slices, window_hu, xp)
    for image_axis, volume_axis in enumerate(plane_axes(view), start=1):
        mm = spacing_mm[volume_axis]
        step = None if pixel_mm is None else pixel_mm / mm
        sigma = sigma_mm / mm if sigma_mm else 0
        matrix = resize_matrix(shape[volume_axis], spec.image_size, sigma, step, xp)
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
    last = xp.shape(slices)[0] - 1
    return xp.stack([xp.take(slices, xp.clip(indices + d, 0, last), axis=0) for d in (-1, 0, 1)], axis=-1)


def fuse_views(predictions: dict, shape, *, slab: int = 32, spacing_mm=None, pixel_mm: float | None = None, rt=NUMPY):
    """Put three stacks of slice probabilities back on the volume's grid and average them, slab by slab along x.

    Args:
        predictions: view -> (steps, H, W) probabilities at `step_indices(shape[axis], steps)`.
        shape: (x, y, z) of the volume.
        slab: planes of x at one time; what it takes beside the result is that of one slab.
        spacing_mm: voxel size, needed with pixel_mm.
        pixel_mm: as in `cut_slices`.
        rt: the runtime.

    Returns:
        (x, y, z) float32 mean of the views.
    """
    stacks, xp = [], rt.xp
    for view in VIEWS:
        axis, stack = VIEW_AXIS[view], predictions[view]
        steps = [None] * 3 if pixel_mm is None else [mm / pixel_mm for mm in spacing_mm]
        sizes = _unfixed(xp.shape(stack), axis)
        matrices = [resize_matrix(size, n, 0, by, xp) for size, n, by in zip(sizes, shape, steps, strict=True)]
        matrices[axis] = putback_matrix(shape[axis], step_indices(shape[axis], xp.shape(stack)[0], xp), xp)
        stacks.append((xp.moveaxis(stack, 0, axis), matrices))  # (x, y, z) in image pixels and steps

    def planes(start, stop):
        total = 0.0
        for stack, (to_x, to_y, to_z) in stacks:
            part = along_axis(to_x[start:stop], stack, 0, xp)
            # z before y: y is the longer axis in most scans, and the last product costs the most.
            total = total + along_axis(to_y, along_axis(to_z, part, 2, xp), 1, xp)
        return total / len(VIEWS)

    return rt.chunks(planes, shape[0], slab)


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
