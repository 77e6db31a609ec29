"""Draws smooth random fields, and smooths arrays with a Gaussian; both on a voxel grid, with lengths in mm."""

import numpy as np
from scipy import ndimage

from spine_tf.data.synthesis.phantom.shapes import Frame


def smooth_noise(rng: np.random.Generator, frame: Frame, scale_mm) -> np.ndarray:
    """Draw a smooth random field: cubic B-splines with normal coefficients, which cost three matrix products.

    Args:
        rng: draws the coefficients.
        frame: the voxel grid.
        scale_mm: distance of the coefficients, a number or one per axis.

    Returns:
        float32 (x, y, z), mean 0 and standard deviation 1.
    """
    scales = np.broadcast_to(np.asarray(scale_mm, float), 3)
    basis = [
        _spline_basis(n, spacing / scale)
        for n, spacing, scale in zip(frame.shape, frame.spacing_mm, scales, strict=True)
    ]
    field = rng.standard_normal([b.shape[1] for b in basis], dtype=np.float32)
    # From the last axis to the first, so that the only large product comes last and lies in order.
    field = np.matmul(basis[1], np.matmul(field, basis[2].T))
    return np.matmul(basis[0], field.reshape(len(field), -1)).reshape(frame.shape)


def _spline_basis(samples: int, distance: float) -> np.ndarray:
    positions = np.arange(samples) * distance
    knots = np.arange(int(np.floor(positions[-1])) + 4) - 1.5
    t = np.abs(positions[:, None] - knots[None, :])
    weights = np.where(t < 1, 2 / 3 - t**2 + t**3 / 2, np.where(t < 2, (2 - t) ** 3 / 6, 0))
    # Independent coefficients: variances add up, so each row is brought to unit length.
    return (weights / np.linalg.norm(weights, axis=1, keepdims=True)).astype(np.float32)


def blur(array: np.ndarray, sigma_mm, spacing_mm) -> np.ndarray:
    """Smooth an array (x, y, z) with a Gaussian.

    Args:
        array: float32.
        sigma_mm: standard deviation, a number or one per axis; axes where it is below 0.15 voxels are skipped.
        spacing_mm: voxel sizes (3,).
    """
    for axis, sigma in enumerate(np.broadcast_to(np.asarray(sigma_mm, float), 3) / spacing_mm):
        if sigma >= 0.15:
            array = ndimage.gaussian_filter1d(array, sigma, axis, truncate=3.0, mode="nearest")
    return array
