"""Prepares HU for slicing: clamping, normalising, smoothing, resizing, and the box around the body.

Smoothing and resizing are 1-D linear maps applied along one axis after another, so both are matrices, and the same
matrices serve NumPy and a TensorFlow graph: functions take the array namespace `xp` (`numpy` or `keras.ops`).

Source: paper, "Pre-processing" and "Data augmentation" (smoothing, clamping, resizing to 256 x 256).
"""

import numpy as np

from spine_tf.config import PreprocessSpec

BODY_HU = -300.0
"""Fat, muscle and bone lie above, air and most of a table's foam below."""

BODY_SHARE = 0.05
"""A plane belongs to the body's box when it holds this share of the fullest plane's body voxels."""


def resize_matrix(n_in: int, n_out: int, sigma: float = 0.0, stride: float | None = None, xp=np):
    """Build the matrix that resamples an axis linearly, averaging when it shrinks (no aliasing).

    Args:
        n_in: samples before, at least 1.
        n_out: samples after, at least 1.
        sigma: Gaussian smoothing along with it, in input samples; the number 0 for none.
        stride: input samples from one output sample to the next, the middle of the axis staying in the middle. None:
            n_in / n_out, so that the ends of the axis stay its ends.
        xp: `numpy` or `keras.ops`.

    Returns:
        (n_out, n_in) float32, pixel centres at half-integers. Rows sum to 1; those that a `stride` puts outside the
        axis to 0.

    Source: paper, "Data augmentation" (smoothing) and "Pre-processing" (resizing to 256 x 256).

    Example:
        >>> resize_matrix(2, 4).tolist()
        [[1.0, 0.0], [0.75, 0.25], [0.25, 0.75], [0.0, 1.0]]
    """
    # In a graph the sizes of a scan are tensors, so they are made float32 here rather than by Python.
    before, after = xp.array(n_in, dtype="float32"), xp.array(n_out, dtype="float32")
    stride = before / after if stride is None else xp.array(stride, dtype="float32")
    source = xp.arange(n_in, dtype="float32")
    middle = (before - 1) / 2
    centres = (xp.arange(n_out, dtype="float32") - (after - 1) / 2) * stride + middle
    inside = _float32(xp.abs(centres - middle) <= before / 2, xp)[:, None]
    support = xp.maximum(stride, 1.0)
    # Clipped to the samples, a row never sums to nothing.
    centres = xp.clip(centres, 0.0, before - 1)
    weights = xp.maximum(1.0 - xp.abs(source[None, :] - centres[:, None]) / support, 0.0)
    weights = weights / xp.sum(weights, axis=1, keepdims=True) * inside
    weights = _float32(weights, xp)
    if isinstance(sigma, (int, float)) and sigma == 0:
        return weights
    sigma = xp.array(sigma, dtype="float32")

    # Both maps are linear and all but commute, so smoothing is done where there are fewer samples.
    def smooth_before():
        return xp.matmul(weights, gaussian_matrix(n_in, sigma, xp))

    def smooth_after():
        smooth = xp.matmul(gaussian_matrix(n_out, sigma / stride, xp), weights)
        # Outside there is nothing to mix in: a row at the edge is the mean of what is inside.
        return smooth / xp.maximum(xp.sum(smooth, axis=1, keepdims=True), 1e-6) * inside

    if xp is np:
        return smooth_before() if stride <= 1 else smooth_after()
    return xp.cond(stride <= 1, smooth_before, smooth_after)


def gaussian_matrix(n: int, sigma: float, xp=np):
    """Build the matrix of Gaussian smoothing along an axis.

    Args:
        n: samples.
        sigma: in samples.
        xp: `numpy` or `keras.ops`.

    Returns:
        (n, n) float32; rows sum to 1, also at the border.
    """
    positions = xp.arange(n, dtype="float32")
    weights = xp.exp(-0.5 * ((positions[None, :] - positions[:, None]) / sigma) ** 2)
    return _float32(weights / xp.sum(weights, axis=1, keepdims=True), xp)


def along_axis(matrix, array, axis: int, xp=np):
    """Apply a matrix along one axis of an array.

    Args:
        matrix: (m, n).
        array: of any number of axes; `axis` has length n.
        axis: which one.
        xp: `numpy` or `keras.ops`.

    Returns:
        the array with length m along the axis.
    """
    return xp.moveaxis(xp.tensordot(matrix, array, axes=[[1], [axis]]), 0, axis)


def clamp_window(hu, spec: PreprocessSpec, xp=np) -> tuple[float, float]:
    """Find the HU that become 0 and 1: `window_hu`, or what of it the scan uses when `normalise="scan"`.

    Args:
        hu: (x, y, z) HU, any real dtype.
        spec: window_hu and normalise are used.
        xp: `numpy` or `keras.ops`.

    Returns:
        low and high. Of a scan, its 1st and 99th percentile in the window; the window where they are under 1 HU apart.

    Source: paper, "Pre-processing" (clamping).

    Example:
        >>> clamp_window(np.zeros((8, 8, 8)), PreprocessSpec(window_hu=(-300.0, 1300.0)))
        (-300.0, 1300.0)
    """
    low, high = spec.window_hu
    if spec.normalise == "window":
        return low, high
    # Every 4th voxel of each axis is plenty for a percentile and 64 times cheaper.
    sample = xp.sort(xp.reshape(xp.clip(_float32(hu[::4, ::4, ::4], xp), low, high), (-1,)))
    last = xp.array(xp.shape(sample)[0] - 1, dtype="float32")
    first, last = (_between(sample, last * share, xp) for share in (0.01, 0.99))
    wide = last - first >= 1
    return xp.where(wide, first, low), xp.where(wide, last, high)


def _between(sample, position, xp):
    """Interpolate linearly in a sorted array."""
    below = xp.floor(position)
    low, high = (xp.take(sample, xp.array(edge, dtype="int32")) for edge in (below, xp.ceil(position)))
    return low + (high - low) * (position - below)


def normalise(hu, window_hu, xp=np):
    """Clamp HU to a window and map it to [0, 1].

    Args:
        hu: HU of any shape and real dtype.
        window_hu: the HU that become 0 and 1.
        xp: `numpy` or `keras.ops`.

    Returns:
        float32 of the same shape.

    Source: paper, "Clamping adjusts pixel values to stay within a specified range".

    Example:
        >>> normalise(np.array([-1000, -300, 500, 3000]), (-300.0, 1300.0)).tolist()
        [0.0, 0.0, 0.5, 1.0]
    """
    low, high = window_hu
    return (xp.clip(_float32(hu, xp), low, high) - low) / (high - low)


def body_box(hu, xp=np) -> tuple[slice, slice, slice]:
    """Find the box around the body: on each axis from the first to the last plane that holds enough body.

    Args:
        hu: (x, y, z) HU.
        xp: `numpy` or `keras.ops`.

    Returns:
        one slice per axis; the whole volume when nothing in it is denser than `BODY_HU`.

    Example:
        >>> hu = np.full((6, 6, 6), -1000)
        >>> hu[1:4, 2:, :] = 40
        >>> body_box(hu)
        (slice(1, 4, None), slice(2, 6, None), slice(0, 6, None))
    """
    body, box = xp.greater(hu, BODY_HU), []
    for axis in range(3):
        per_plane = _float32(xp.count_nonzero(body, axis=tuple(a for a in range(3) if a != axis)), xp)
        box.append(first_to_last(per_plane > BODY_SHARE * xp.max(per_plane), xp))
    return tuple(box)


def first_to_last(line, xp=np) -> slice:
    """Span a line (n,) of bool from its first to its last True; all of it where there is none."""
    n, some = xp.shape(line)[0], xp.any(line)
    first, behind = (xp.argmax(xp.array(one, dtype="int32")) for one in (line, xp.flip(line)))
    start, stop = xp.where(some, first, 0), xp.where(some, n - behind, n)
    return slice(int(start), int(stop)) if xp is np else slice(start, stop)


def _float32(array, xp):
    return array.astype("float32", copy=False) if xp is np else xp.cast(array, "float32")
