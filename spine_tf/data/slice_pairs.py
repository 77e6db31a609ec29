"""Cuts one slice of a scan, and the share of spine in its pixels, for training.

Prediction resamples whole stacks by dense matrices (`views.slices.cut_slices`). Training needs one slice of a view at a
time: there the same matrices without their zeros, and smoothing by a filter, take a small part of the arithmetic.

Source: paper, "Pre-processing" and "Data augmentation" (smoothing, clamping, resizing, reorienting).
"""

from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from scipy import sparse

from spine_tf.data.cache import UNKNOWN
from spine_tf.views.slices import VIEW_AXIS, plane_axes

# Triplets are made side by side (`DataConfig.workers`): threads within one would only take turns with those.
cv2.setNumThreads(1)

TAIL = 4.0
"""A Gaussian filter ends at this many sigma: 0.006 % of it lie beyond."""


class Resampling(NamedTuple):
    """How one axis of a slice becomes pixels: `views.preprocess.resize_matrix` in parts."""

    matrix: sparse.csr_array
    """(image_size, samples) float32."""
    inside: np.ndarray
    """(image_size,) float32: 1 in pixels on the slice, 0 around it."""
    before: float
    """Sigma of smoothing in samples, done before resampling; 0 for none."""
    after: float
    """Sigma of smoothing in pixels, done after it; 0 for none."""


def cut_pair(
    hu, mask, view, index, window_hu, spacing_mm, spec, smoothing_mm=None, pixel_mm=None, thick=1
) -> tuple[np.ndarray, np.ndarray]:
    """Cut one slice of a view, and the share of spine in each of its pixels.

    Args:
        hu: (x, y, z) HU, any real dtype.
        mask: (x, y, z) uint8, 0, 1 or `UNKNOWN`.
        view: one of VIEWS.
        index: of the slice along the view's axis.
        window_hu: the HU that become 0 and 1.
        spacing_mm: (3,) voxel size.
        spec: image_size and smoothing_mm are used.
        smoothing_mm: instead of the spec's (random smoothing).
        pixel_mm: as `views.slices.cut_slices` takes it.
        thick: this many axial slices make one; `index` and `spacing_mm` are those of the thick ones. HU are averaged,
            the majority decides on the mask, and one `UNKNOWN` voxel makes the thick one so. Slices too few for one
            more, at the end, are left out.

    Returns:
        image, (H, W, 3) float32 in [0, 1], the slice and its two neighbours; target, (H, W) float32, the share of spine
        in [0, 1], or -1 in a pixel that is mostly of `UNKNOWN` truth: losses and metrics leave it out.

    Example:
        >>> from spine_tf.config import PreprocessSpec
        >>> hu, mask, spec = np.array([[[0, 10, 20, 40]]]), np.uint8([[[0, 0, 1, 1]]]), PreprocessSpec(image_size=32)
        >>> image, target = cut_pair(hu, mask, "axial", 1, (0.0, 40.0), (1.0, 1.0, 2.0), spec, thick=2)
        >>> image[0, 0].tolist(), target[0, 0].item()
        ([0.125, 0.75, 0.75], 1.0)
    """
    axis, near = VIEW_AXIS[view], index + np.array([-1, 0, 1])
    near = np.clip(near, 0, hu.shape[axis] // (thick if axis == 2 else 1) - 1)
    planes = _planes(hu, axis, near[0], near[-1], thick)  # (a, b, one to three, thick)
    planes = planes.mean(axis=-1, dtype=np.float32) if thick > 1 else planes[..., 0]
    truth = _planes(mask, axis, near[1], near[1], thick)[:, :, 0]  # (a, b, thick)
    unknown = (truth == UNKNOWN).any(axis=-1)
    spine = ((truth == 1).mean(axis=-1) >= 0.5) & ~unknown if thick > 1 else truth[..., 0] == 1

    sigma_mm = spec.smoothing_mm if smoothing_mm is None else smoothing_mm
    axes = [
        resampling(n, pixel_mm and pixel_mm / spacing_mm[of], sigma_mm / spacing_mm[of], spec.image_size)
        for n, of in zip(planes.shape[:2], plane_axes(view), strict=True)
    ]
    sharp = [one._replace(before=0.0, after=0.0) for one in axes]
    target = resample([spine], sharp)[..., 0]
    if unknown.any():
        target[resample([unknown], sharp)[..., 0] > 0.5] = -1
    return resample([planes[..., k] for k in near - near[0]], axes, window_hu), target


def resampling(n_in: int, stride: float | None, sigma: float, n_out: int) -> Resampling:
    """Prepare the resampling of one axis, averaging when it shrinks.

    Args:
        n_in: samples before.
        stride: samples from one pixel to the next, the middle staying in the middle; None: n_in / n_out.
        sigma: Gaussian smoothing in samples; 0 for none.
        n_out: pixels.

    Example:
        >>> resampling(2, None, 0.0, 4).matrix.toarray().tolist()
        [[1.0, 0.0], [0.75, 0.25], [0.25, 0.75], [0.0, 1.0]]
    """
    stride = n_in / n_out if stride is None else stride
    # Both maps are linear and all but commute, so smoothing is done where there are fewer samples.
    before, after = (sigma, 0.0) if stride <= 1 else (0.0, sigma / stride)
    return Resampling(*_sparse_matrix(n_in, float(stride), n_out), before, after)


@lru_cache(maxsize=1024)  # stretched slices have few sizes
def _sparse_matrix(n_in: int, stride: float, n_out: int) -> tuple[sparse.csr_array, np.ndarray]:
    """Make `matrix` and `inside` of `Resampling`, the values of `resize_matrix`."""
    # In float32 as there, which decides about a pixel whose centre lies on the border.
    middle = np.float32((n_in - 1) / 2)
    centres = (np.arange(n_out, dtype=np.float32) - np.float32((n_out - 1) / 2)) * np.float32(stride) + middle
    inside = (np.abs(centres - middle) <= n_in / 2).astype(np.float32)
    centres, support = np.clip(centres, 0, n_in - 1), max(stride, 1.0)
    taps = int(2 * support) + 1
    samples = np.ceil(centres - support).astype(np.int32)[:, None] + np.arange(taps, dtype=np.int32)
    weights = np.maximum(1 - np.abs(samples - centres[:, None]) / support, 0) * ((samples >= 0) & (samples < n_in))
    weights *= (inside / weights.sum(axis=1))[:, None]
    rows = np.arange(0, n_out * taps + 1, taps, dtype=np.int32)
    entries = (weights.ravel().astype(np.float32), np.clip(samples, 0, n_in - 1).ravel(), rows)
    return sparse.csr_array(entries, shape=(n_out, n_in)), inside


def resample(planes: list, axes: list[Resampling], window: tuple[float, float] = (0.0, 1.0)) -> np.ndarray:
    """Clamp planes to a window, map it to [0, 1], and resample them along both axes.

    Args:
        planes: C arrays (a, b) of one shape, any real dtype; C up to 4.
        axes: of a and of b.
        window: the values that become 0 and 1.

    Returns:
        (H, W, C) float32.
    """
    # The axis that runs fastest in memory comes last, so that planes are copied by the row.
    turned = abs(planes[0].strides[0]) < abs(planes[0].strides[1])
    of_a, of_b = axes[::-1] if turned else axes
    a, b = planes[0].T.shape if turned else planes[0].shape
    stack = np.empty((a, len(planes), b), np.float32)
    for k, plane in enumerate(planes):
        stack[:, k] = plane.T if turned else plane
    # Of float32, as the planes: NumPy would clip to float64 in pieces.
    low, high = np.float32(window)
    if (low, high) != (0, 1):
        np.clip(stack, low, high, out=stack)
        stack -= low
        stack /= high - low
    if of_a.before or of_b.before:
        smooth = _smooth(np.ascontiguousarray(stack.transpose(0, 2, 1)), (of_a.before, of_b.before))
        stack = np.ascontiguousarray(smooth.transpose(0, 2, 1))
    rows = (of_a.matrix @ stack.reshape(a, -1)).reshape(-1, len(planes), b)  # (H, C, b)
    rows = np.ascontiguousarray(rows.transpose(2, 0, 1))
    image = (of_b.matrix @ rows.reshape(b, -1)).reshape(-1, *rows.shape[1:])  # (W, H, C)
    image = _smooth(image, (of_b.after, of_a.after), (of_b.inside, of_a.inside))
    return image if turned else image.transpose(1, 0, 2)


def rotate_pair(image: np.ndarray, target: np.ndarray, degrees: float) -> tuple[np.ndarray, np.ndarray]:
    """Turn a slice (H, W, 3) and its target (H, W) about the centre; what enters repeats the border.

    Places are rounded to a 32nd of a pixel. Where spine and unknown truth, -1, mix, a negative mean is unknown.

    Example:
        >>> target = np.float32([[0, 1], [0, 0]])
        >>> rotate_pair(np.zeros((2, 2, 3), np.float32), target, 90.0)[1].tolist()
        [[1.0, 0.0], [0.0, 0.0]]
    """
    centre = (np.array(target.shape[::-1]) - 1) / 2  # OpenCV counts (x, y), that is (column, row)
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    joined = np.empty((*target.shape, 4), np.float32)
    joined[..., :3], joined[..., 3] = image, target
    turned = cv2.warpAffine(
        joined,
        np.column_stack([turn, centre - turn @ centre]),
        target.shape[::-1],
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return turned[..., :3], np.where(turned[..., 3] < 0, np.float32(-1), turned[..., 3])


def _planes(array, axis: int, first: int, last: int, thick: int) -> np.ndarray:
    """Take slices first to last of an axis, thick ones in parts: (x, y, z) -> (a, b, slices, thick)."""
    sides = [slice(None)] * 3
    sides[2] = slice(0, array.shape[2] // thick * thick)
    step = thick if axis == 2 else 1
    sides[axis] = slice(first * step, (last + 1) * step)
    part = array[tuple(sides)]
    if abs(part.strides[axis]) == part.itemsize:
        part = _gathered(part, axis)
    return np.moveaxis(part.reshape(*part.shape[:2], -1, thick), axis, 2)  # (a, b, slices, thick)


def _gathered(part: np.ndarray, axis: int) -> np.ndarray:
    """Copy a thin slab across rows of the memory row by row: NumPy's loop over few values costs more than they do."""
    last = np.moveaxis(part, axis, -1)
    step = -1 if last.strides[-1] < 0 else 1  # mirrored
    runs = last[..., ::step].view(np.dtype((np.void, part.itemsize * last.shape[-1])))
    return np.moveaxis(runs.copy("K").view(part.dtype)[..., ::step], -1, axis)


def _smooth(planes: np.ndarray, sigmas: tuple[float, float], inside=(None, None)) -> np.ndarray:
    """Smooth planes (m, n, C) along both axes; what lies around them has no part in the means."""
    if not any(sigmas):
        return planes
    kernels, scales = [], []
    for n, sigma, part in zip(planes.shape[:2], sigmas, inside, strict=True):
        part = np.ones(n, np.float32) if part is None else part
        reach = min(int(np.ceil(TAIL * sigma)), n - 1)
        kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2) if reach else np.ones(1)
        kernels.append(kernel.astype(np.float32))
        scales.append(part / np.maximum(np.convolve(part, kernel)[reach : reach + n], 1e-6))
    smooth = cv2.sepFilter2D(planes, -1, kernels[1], kernels[0], borderType=cv2.BORDER_CONSTANT)
    smooth = smooth.reshape(planes.shape)  # OpenCV drops a last axis of one channel
    smooth *= (scales[0][:, None] * scales[1]).astype(np.float32)[..., None]
    return smooth
