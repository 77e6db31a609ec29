"""Cuts a volume into axial, coronal and sagittal slices, and fuses three stacks of predictions into one volume.

An image is a slice with its two remaining axes in canonical order: axial (x, y), coronal (x, z), sagittal (y, z). Its
three channels are the slice and its two native neighbours. Everything here is linear: matrices from `preprocess`.
"""

import numpy as np

from spine_tf.config import VIEWS, PreprocessSpec
from spine_tf.views.backend import NUMPY
from spine_tf.views.preprocess import along_axis, normalise, resize_matrix

VIEW_AXIS = {"axial": 2, "coronal": 1, "sagittal": 0}
"""View -> the axis of (x, y, z) that is fixed in its slices."""


def plane_axes(view: str) -> tuple[int, int]:
    """Give the two axes of (x, y, z) that a slice of the view spans, in order."""
    first, second = (axis for axis in range(3) if axis != VIEW_AXIS[view])
    return first, second


def n_positions(shape, spec: PreprocessSpec, spacing_mm=None, pixel_mm: float | None = None, xp=np) -> int:
    """Count the positions, one triplet each, at which prediction cuts a volume.

    It is the largest number of slices of the three views, but by default no more than the image has pixels: positions
    finer than pixels tell the network nothing. With `pixel_mm` the volume may fill only a part of the image; then it is
    no more than the pixels it fills.

    Args:
        shape: (x, y, z) of the volume.
        spec: image_size and max_positions are used; `max_positions=0` takes every slice.
        spacing_mm: voxel size, needed with pixel_mm.
        pixel_mm: as in `cut_slices`.
        xp: `numpy` or `keras.ops`.

    Example:
        >>> int(n_positions((40, 50, 60), PreprocessSpec(image_size=32)))
        32
    """
    limit = spec.image_size if spec.max_positions is None else spec.max_positions
    most = xp.max(xp.stack(shape))
    if limit == 0:
        return most
    if pixel_mm is not None:
        filled = longest_mm(shape, spacing_mm, xp) / pixel_mm
        limit = xp.minimum(limit, xp.array(xp.ceil(filled), dtype="int32"))
    return xp.minimum(most, limit)


def longest_mm(shape, spacing_mm, xp=np):
    """Measure the longest side of a volume: shape (x, y, z) and spacing_mm to mm, float64."""
    sides = [xp.array(n, dtype="float64") * mm for n, mm in zip(shape, spacing_mm, strict=True)]
    return xp.max(xp.stack(sides))


def position_slices(n_slices: int, positions: int, xp=np):
    """Give the slice that stands at each position: at position t the one nearest to t/(positions-1) of the view.

    Halves go up. Whole numbers throughout, so that every backend takes the same slices.

    Args:
        n_slices: slices of the view.
        positions: how many positions.
        xp: `numpy` or `keras.ops`.

    Returns:
        (positions,) int32 indices of slices.

    Example:
        >>> position_slices(9, 3).tolist()
        [0, 4, 8]
    """
    gaps = xp.maximum(positions - 1, 1)
    nearest = (2 * xp.arange(positions, dtype="int32") * (n_slices - 1) + gaps) // (2 * gaps)
    return xp.array(xp.where(positions > 1, nearest, n_slices // 2), dtype="int32")


def putback_matrix(n_slices: int, indices, xp=np):
    """Build the matrix that takes predictions at some slices to every slice of the view.

    A slice at which several positions stand gets their mean; one between two predicted slices is interpolated
    linearly; one before the first or after the last predicted slice gets that one's value.

    Args:
        n_slices: slices of the view.
        indices: (positions,) int32, the slice that stands at each position.
        xp: `numpy` or `keras.ops`.

    Returns:
        (n_slices, positions) float32; rows sum to 1.

    Example:
        >>> putback_matrix(3, np.array([0, 2], np.int32)).tolist()
        [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]
    """
    slices, taken = xp.arange(n_slices, dtype="int32")[:, None], indices[None, :]
    first, last = xp.min(indices), xp.max(indices)
    slices = xp.clip(slices, first, last)
    below = xp.max(xp.where(taken <= slices, taken, first), axis=1, keepdims=True)  # (n_slices, 1)
    above = xp.min(xp.where(taken >= slices, taken, last), axis=1, keepdims=True)
    between = xp.array(slices - below, dtype="float32") / xp.array(xp.maximum(above - below, 1), dtype="float32")
    at_below, at_above = (xp.array(taken == edge, dtype="float32") for edge in (below, above))  # (n_slices, positions)
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

    Source: paper, "Pre-processing" and "Data augmentation".

    Example:
        >>> hu = np.full((4, 6, 5), 500)
        >>> spec = PreprocessSpec(image_size=32, smoothing_mm=0.0)
        >>> slices = cut_slices(hu, "coronal", np.arange(6), (-300.0, 1300.0), (1.0, 1.0, 1.0), spec)
        >>> slices.shape, float(slices[0, 0, 0])
        ((6, 32, 32), 0.5)
    """
    axis, sigma_mm = VIEW_AXIS[view], spec.smoothing_mm if smoothing_mm is None else smoothing_mm
    shape = xp.shape(hu)
    indices = xp.clip(indices, 0, shape[axis] - 1)
    slices = xp.moveaxis(_planes(hu, indices, axis, xp), axis, 0)  # (n, a, b)
    slices = normalise(slices, window_hu, xp)
    for image_axis, volume_axis in enumerate(plane_axes(view), start=1):
        mm = spacing_mm[volume_axis]
        stride = None if pixel_mm is None else pixel_mm / mm
        sigma = sigma_mm / mm if sigma_mm else 0
        matrix = resize_matrix(shape[volume_axis], spec.image_size, sigma, stride, xp)
        slices = along_axis(matrix, slices, image_axis, xp)
    return slices  # (n, H, W)


def with_neighbours(slices, indices, xp=np):
    """Stack slices with the one before and the one after each as channels.

    Args:
        slices: (n_slices, H, W), every slice of a view.
        indices: (batch,) integers.

    Returns:
        (batch, H, W, 3); at the border the border slice is repeated.

    Example:
        >>> slices = np.arange(4.0).reshape(4, 1, 1)
        >>> with_neighbours(slices, np.array([0, 2])).reshape(2, 3).tolist()
        [[0.0, 0.0, 1.0], [1.0, 2.0, 3.0]]
    """
    last = xp.shape(slices)[0] - 1
    return xp.stack([xp.take(slices, xp.clip(indices + d, 0, last), axis=0) for d in (-1, 0, 1)], axis=-1)


def fuse_views(
    predictions: dict, shape, *, slab: int = 32, spacing_mm=None, pixel_mm: float | None = None, backend=NUMPY
):
    """Put three stacks of slice probabilities back on the volume's grid, and average them slab by slab along x.

    Args:
        predictions: view -> (positions, H, W) probabilities at `position_slices(shape[axis], positions)`.
        shape: (x, y, z) of the volume.
        slab: planes of x at one time; what it takes beside the result is that of one slab.
        spacing_mm: voxel size, needed with pixel_mm.
        pixel_mm: as in `cut_slices`.
        backend: runs the loop over slabs.

    Returns:
        (x, y, z) float32 mean of the views.

    Example:
        >>> stacks = {"axial": np.zeros((5, 8, 8)), "coronal": np.zeros((5, 8, 8)), "sagittal": np.ones((5, 8, 8))}
        >>> fused = fuse_views(stacks, (3, 4, 5))
        >>> fused.shape, round(float(fused[0, 0, 0]), 3)
        ((3, 4, 5), 0.333)
    """
    stacks, xp = [], backend.xp
    for view in VIEWS:
        axis, stack = VIEW_AXIS[view], predictions[view]
        strides = [None] * 3 if pixel_mm is None else [mm / pixel_mm for mm in spacing_mm]
        sizes = _unfixed(xp.shape(stack), axis)
        matrices = [resize_matrix(size, n, 0, by, xp) for size, n, by in zip(sizes, shape, strides, strict=True)]
        matrices[axis] = putback_matrix(shape[axis], position_slices(shape[axis], xp.shape(stack)[0], xp), xp)
        stacks.append((xp.moveaxis(stack, 0, axis), matrices))  # (x, y, z) in image pixels and positions

    def planes(start, stop):
        total = 0.0
        for stack, (to_x, to_y, to_z) in stacks:
            part = along_axis(to_x[start:stop], stack, 0, xp)
            # z before y: y is the longer axis in most scans, and the last product costs the most.
            total = total + along_axis(to_y, along_axis(to_z, part, 2, xp), 1, xp)
        return total / len(VIEWS)

    return backend.chunks(planes, shape[0], slab)


def _planes(hu, indices, axis, xp):
    if xp is np:
        # Not np.take: of a turned or cropped array, as most volumes are, it copies the whole first.
        return hu[(slice(None),) * axis + (indices,)]
    return xp.take(hu, indices, axis=axis)


def _unfixed(stack_shape: tuple[int, int, int], axis: int) -> list[int]:
    """(positions, H, W) -> image sizes in (x, y, z) order, the fixed axis standing for its positions."""
    sizes = list(stack_shape[1:])
    sizes.insert(axis, stack_shape[0])
    return sizes
