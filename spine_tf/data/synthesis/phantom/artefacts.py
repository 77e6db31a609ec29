"""Makes what scanners add that is not in the patient: grain, streaks, dark bands, borders without data."""

from functools import reduce

import numpy as np
from scipy import ndimage

from spine_tf.data.synthesis.phantom.shapes import Frame
from spine_tf.data.synthesis.phantom.smoothing import blur

_GRAIN_MM = {"soft": 0.75, "medium": 0.5, "sharp": 0.3}
_STREAK_MM = 60.0
_STARVED_CM = 34.0
"""Rays that cross more water than this leave streaks."""
_MOST_PIECES = 6


def grain(hu: np.ndarray, frame: Frame, appearance, rng: np.random.Generator) -> np.ndarray:
    """Draw noise with the grain of the kernel, stronger where rays cross much tissue from side to side.

    Soft kernels leave blobs, sharp ones single pixels; where rays starve (shoulders, hips) streaks run along x.

    Args:
        hu: float32 (x, y, z), what is scanned.
        frame: its grid.
        appearance: kernel and strength, see `physics.Appearance`.
        rng: draws the noise.

    Returns:
        float32 HU (x, y, z), to be added.
    """
    spacing = np.array(frame.spacing_mm)
    noise = rng.standard_normal(frame.shape, dtype=np.float32)
    size = _GRAIN_MM[appearance.kernel] * np.array([appearance.sideways, 1.0, 1.0])
    noise = blur(noise, size * np.maximum(1.0, 0.6 * spacing), spacing)
    noise *= np.float32(appearance.noise_hu / max(float(noise[::3, ::3, ::3].std()), 1e-3))
    dense = np.clip(hu, -1000, 1500)
    dense += 1000
    water_cm = dense.sum(0) * np.float32(spacing[0] / 1e4)  # (y, z)
    # Fewer photons reach the inside of the body: the noise is strongest there and weak in air.
    noise *= np.clip(np.float32(0.45) + dense * np.float32(0.55e-3), 0.45, 1)
    body = water_cm[water_cm > 2]
    if appearance.starvation and body.size:
        over = np.exp(np.float32(appearance.starvation) * (water_cm - np.float32(np.median(body))))
        noise *= np.clip(over, 0.5, 4)[None]
        starved = np.clip(np.exp(2 * np.float32(appearance.starvation) * (water_cm - _STARVED_CM)) - 1, 0, 4)
        if starved.max() > 0.05:
            streaks = _streaks(frame, rng) * starved[None] * np.float32(appearance.noise_hu)
            noise += streaks * np.clip(dense * np.float32(1e-3), 0.2, 1)
    return noise


def _streaks(frame: Frame, rng) -> np.ndarray:
    """White from row to row and slice to slice, smooth along x; standard deviation about 1."""
    knots = int(np.ceil(frame.shape[0] * frame.spacing_mm[0] / _STREAK_MM)) + 2
    at = np.arange(frame.shape[0]) * (frame.spacing_mm[0] / _STREAK_MM)
    weights = np.maximum(1 - np.abs(at[:, None] - np.arange(knots)[None]), 0).astype(np.float32)
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    rows = rng.standard_normal((knots, frame.shape[1] * frame.shape[2]), dtype=np.float32)
    return (weights @ rows).reshape(frame.shape)


def hardening(hu: np.ndarray, strength: float, spacing_mm) -> np.ndarray:
    """Compute the dark bands of beam hardening, where rays from side to side meet dense bone before and behind.

    Args:
        hu: float32 (x, y, z).
        strength: HU for each HU mm of bone (above 250 HU), geometric mean of both sides.
        spacing_mm: voxel sizes (3,).

    Returns:
        float32 HU (x, y, z) in -120..0, to be added.
    """
    bone = np.clip(hu - np.float32(250), 0, 2500) * np.float32(spacing_mm[0])
    before = np.cumsum(bone, axis=0)
    behind = before[-1:] - before
    np.sqrt(np.maximum(before * behind, 0, out=behind), out=behind)
    behind *= np.float32(-strength)
    return np.maximum(behind, -120, out=behind)


def unseen(frame: Frame, appearance) -> np.ndarray | None:
    """Find where a scan holds no data; its truth holds no label there either.

    Args:
        frame: the scan's grid.
        appearance: the borders that were drawn, see `physics.Appearance`.

    Returns:
        bool (x, y, z); None: there are data everywhere.
    """
    x, y, z = (frame.axis_mm(axis) - np.float32(frame.origin_mm[axis]) for axis in range(3))
    extent, empty = np.multiply(frame.shape, frame.spacing_mm), []
    front, back = (int(width / frame.spacing_mm[1]) for width in appearance.padded_mm)
    if front or back:
        row = np.arange(frame.shape[1]).reshape(1, -1, 1)
        empty.append((row >= frame.shape[1] - front) | (row < back))
    if appearance.circle is not None:
        radius = np.float32(appearance.circle * max(extent[:2]) / 2)
        empty.append(np.square(x - extent[0] / 2) + np.square(y - extent[1] / 2) > radius * radius)
    if appearance.wedge is not None:
        axis, slope = appearance.wedge
        off = (x, y)[axis] - extent[axis] / 2 - np.float32(slope) * (z - extent[2] / 2)
        empty.append(np.abs(off) > extent[axis] / 2)
    return np.broadcast_to(reduce(np.logical_or, empty), frame.shape) if empty else None


def metal_streaks(metal: np.ndarray, spacing_mm, rng: np.random.Generator) -> np.ndarray:
    """Draw bright and dark rays around metal, slice by slice.

    Each slice's rays come from the middles of its largest pieces; the rays change slowly from slice to slice. Between
    two pieces at the same height lies a dark band, as beam hardening makes it, stronger between larger pieces.

    Args:
        metal: bool (x, y, z).
        spacing_mm: voxel sizes (3,).
        rng: draws the strength of the rays.

    Returns:
        float32 HU (x, y, z), to be added.
    """
    streaks = np.zeros(metal.shape, np.float32)
    x = (np.arange(metal.shape[0]) * spacing_mm[0]).astype(np.float32)[:, None]
    y = (np.arange(metal.shape[1]) * spacing_mm[1]).astype(np.float32)[None, :]
    profile = _rays(rng)
    for k in np.flatnonzero(metal.any((0, 1))):
        pieces = _pieces(metal[:, :, k], spacing_mm)
        if rng.random() < 0.3:
            profile = _rays(rng)
        for centre, size in pieces:
            dx, dy = x - np.float32(centre[0]), y - np.float32(centre[1])
            angle = np.arctan2(dy, dx) * np.float32(len(profile) / (2 * np.pi))
            distance = np.sqrt(dx * dx + dy * dy)
            strength = np.float32(size * 110 * min(size / 3, 1))
            streaks[:, :, k] += profile[angle.astype(np.int32) % len(profile)] * strength / (distance + 2 * size + 4)
        for one in range(len(pieces)):
            for other in range(one):
                _darken(streaks[:, :, k], x, y, pieces[one], pieces[other])
    return blur(streaks, 0.6, spacing_mm)


def _pieces(plane: np.ndarray, spacing_mm) -> list[tuple[np.ndarray, float]]:
    """Middle (2,) in mm and radius in mm of the largest pieces of metal in a slice."""
    marked, count = ndimage.label(plane)
    sizes = np.bincount(marked.ravel())[1:]
    largest = np.argsort(sizes)[::-1][:_MOST_PIECES] + 1
    centres = ndimage.center_of_mass(plane, marked, largest) if count else []
    area = spacing_mm[0] * spacing_mm[1] / np.pi
    return [
        (np.multiply(centre, spacing_mm[:2]), float(np.sqrt(sizes[piece - 1] * area)))
        for centre, piece in zip(centres, largest, strict=True)
    ]


def _darken(plane, x, y, one, other) -> None:
    """Subtract the dark band between two pieces of metal from a slice."""
    size = min(one[1], other[1])
    if size < 1.2:
        return
    way = other[0] - one[0]
    length = max(float(np.hypot(*way)), 1.0)
    dx, dy = way.astype(np.float32)
    x, y = x - np.float32(one[0][0]), y - np.float32(one[0][1])
    t = (x * dx + y * dy) / np.float32(length**2)
    off = (x * dy - y * dx) / np.float32(length)
    band = np.exp(-np.square(off / np.float32(size + 1.5)) - np.square(np.maximum(np.abs(t - 0.5) - 0.5, 0) / 0.35))
    plane -= np.float32(min(70 * size, 300)) * band


def _rays(rng) -> np.ndarray:
    """Random signed strength by direction, mean 0, the same to both sides (a ray through metal has two ends)."""
    half = rng.standard_normal(180) + 2.5 * (rng.random(180) < 0.06) * rng.standard_normal(180)
    half = np.convolve(np.r_[half[-2:], half, half[:2]], [0.1, 0.25, 0.3, 0.25, 0.1], "valid") * 2
    return np.tile(half - half.mean(), 2).astype(np.float32)
