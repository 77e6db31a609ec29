"""Implicit shapes on a voxel grid: each is asked for its depth (mm below the surface) in its own bounding box only."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import ndimage

MARGIN_MM = 4.0
"""How far outside its surface a shape's depth is still computed: as far as blending and partial volume reach."""


@dataclass(frozen=True)
class Frame:
    """The voxel grid: axis-aligned RAS+, the centre of voxel 0 at `origin_mm`."""

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    origin_mm: tuple[float, float, float]

    def axis_mm(self, axis: int, part: slice = slice(None)) -> np.ndarray:
        """Positions of the voxel centres along one axis, float32, shaped to broadcast over (x, y, z)."""
        values = self.origin_mm[axis] + self.spacing_mm[axis] * np.arange(self.shape[axis])[part]
        return values.astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])

    def box(self, low_mm, high_mm) -> tuple[slice, slice, slice]:
        """The voxels between two corners in mm, cut to the grid (perhaps empty)."""
        first = np.ceil((np.asarray(low_mm) - self.origin_mm) / self.spacing_mm).astype(int)
        last = np.floor((np.asarray(high_mm) - self.origin_mm) / self.spacing_mm).astype(int) + 1
        return tuple(slice(max(0, a), max(0, a, min(b, n))) for a, b, n in zip(first, last, self.shape, strict=True))

    def part(self, box) -> "Frame":
        """The grid of the voxels in a box of slices."""
        origin = tuple(o + part.start * s for o, part, s in zip(self.origin_mm, box, self.spacing_mm, strict=True))
        return Frame(tuple(part.stop - part.start for part in box), self.spacing_mm, origin)


@dataclass(frozen=True)
class Placement:
    """Where a shape's own frame (u right, v front, w up) lies: world = centre + rotation @ (u, v, w)."""

    centre_mm: np.ndarray
    rotation: np.ndarray

    def to_world(self, point) -> np.ndarray:
        """A point (3,) of the own frame, in mm of the world."""
        return self.centre_mm + self.rotation @ np.asarray(point, float)


WORLD = Placement(np.zeros(3), np.eye(3))


class Shape(NamedTuple):
    """`depth(u, v, w)` in mm, positive inside, within the corners `low` and `high` (mm, own frame)."""

    low: np.ndarray
    high: np.ndarray
    depth: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def ellipsoid(centre, radii) -> Shape:
    """An ellipsoid along the own axes; its depth is exact on the surface to first order."""
    centre, radii = np.asarray(centre, np.float32), np.asarray(radii, np.float32)
    smallest = np.float32(radii.min())

    def depth(u, v, w):
        q = ((u - centre[0]) / radii[0]) ** 2 + ((v - centre[1]) / radii[1]) ** 2 + ((w - centre[2]) / radii[2]) ** 2
        return (1 - np.sqrt(q)) * smallest

    return Shape(centre - radii, centre + radii, depth)


def block(centre, half, round_mm: float) -> Shape:
    """A box along the own axes whose edges are rounded by about `round_mm`."""
    centre, half = np.asarray(centre, np.float32), np.asarray(half, np.float32)

    def depth(u, v, w):
        sides = [half[k] - np.abs(p - centre[k]) for k, p in enumerate((u, v, w))]
        return smooth_min(smooth_min(sides[0], sides[1], 2.5 * round_mm), sides[2], round_mm)

    return Shape(centre - half, centre + half, depth)


def capsule(start, end, r_start: float, r_end: float, squash=(1.0, 1.0, 1.0)) -> Shape:
    """A rounded, tapered rod from `start` to `end`; `squash` stretches its cross-section along the own axes."""
    squash = np.asarray(squash, np.float32)
    a, b = np.asarray(start, np.float32) / squash, np.asarray(end, np.float32) / squash
    along = b - a
    length2 = np.float32(max(float(along @ along), 1e-6))
    reach = max(r_start, r_end) * squash
    scale = np.float32(np.sqrt(squash.min() * squash.max()))

    def depth(u, v, w):
        p = [u / squash[0] - a[0], v / squash[1] - a[1], w / squash[2] - a[2]]
        t = np.clip((p[0] * along[0] + p[1] * along[1] + p[2] * along[2]) / length2, 0, 1)
        q = (p[0] - t * along[0]) ** 2 + (p[1] - t * along[1]) ** 2 + (p[2] - t * along[2]) ** 2
        return (np.float32(r_start) + t * np.float32(r_end - r_start) - np.sqrt(q)) * scale

    corners = np.stack([a * squash, b * squash])
    return Shape(corners.min(0) - reach, corners.max(0) + reach, depth)


def shifted(point, x: float, y: float, z: float) -> np.ndarray:
    """A point (3,) moved by x, y, z."""
    return np.add(point, (x, y, z))


def evaluate(shape: Shape, frame: Frame, place: Placement = WORLD, margin_mm: float = MARGIN_MM):
    """A shape's depth where it lies.

    Returns:
        slices into (x, y, z) and the float32 depth in mm there (perhaps empty).
    """
    middle, half = (shape.low + shape.high) / 2, (shape.high - shape.low) / 2 + margin_mm
    centre, reach = place.to_world(middle), np.abs(place.rotation) @ half
    box = frame.box(centre - reach, centre + reach)
    x, y, z = (frame.axis_mm(axis, box[axis]) - np.float32(place.centre_mm[axis]) for axis in range(3))
    if place is WORLD:
        # Axes that broadcast: a shape then works along one axis for as long as it can.
        depth = shape.depth(x, y, z)
        return box, np.broadcast_to(depth, tuple(part.stop - part.start for part in box))
    turn = place.rotation.astype(np.float32)
    u, v, w = (turn[0, k] * x + turn[1, k] * y + turn[2, k] * z for k in range(3))
    return box, shape.depth(u, v, w)


def smooth_max(a, b, blend_mm: float):
    """The union of two depths with a fillet of `blend_mm`."""
    overlap = np.maximum(np.float32(blend_mm) - np.abs(a - b), 0)
    return np.maximum(a, b) + overlap * overlap * np.float32(0.25 / blend_mm)


def smooth_min(a, b, blend_mm: float):
    """The intersection of two depths with an edge rounded by `blend_mm`."""
    overlap = np.maximum(np.float32(blend_mm) - np.abs(a - b), 0)
    return np.minimum(a, b) - overlap * overlap * np.float32(0.25 / blend_mm)


def smooth_noise(rng: np.random.Generator, frame: Frame, scale_mm) -> np.ndarray:
    """Random smooth field, float32 (x, y, z), mean 0 and standard deviation 1, correlated over `scale_mm`.

    Cubic B-splines with random coefficients every `scale_mm` (a number or one per axis), so that it costs three
    matrix products.
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


class Bones:
    """All bone of a scene: depth (mm), owner (a VerSe id, or above 28 any other bone), whether it is arch or body.

    `extra_hu`, int16, is added to the HU of its spongy bone: lesions, dense ends of joints, thick walls, marrow.
    """

    def __init__(self, frame: Frame):
        self.frame = frame
        self.depth_mm = np.full(frame.shape, -9, np.float32)
        self.owner = np.zeros(frame.shape, np.uint8)
        self.arch = np.zeros(frame.shape, bool)
        self.extra_hu = np.zeros(frame.shape, np.int16)

    def add(self, box, depth: np.ndarray, owner: int, arch=False, gap_mm: float = 1.5) -> None:
        """Merge one bone; where it would touch or cross another one, a joint space of `gap_mm` is left between."""
        if depth.size == 0:
            return
        old, old_owner = self.depth_mm[box], self.owner[box]
        wins = depth > old
        best, second = np.maximum(depth, old), np.minimum(depth, old)
        apart = np.minimum(best, (best - second - np.float32(gap_mm)) / 2)
        self.depth_mm[box] = np.where((old_owner == owner) | (old_owner == 0), best, apart)
        old_owner[wins] = owner
        self.arch[box] = np.where(wins, arch, self.arch[box])

    def add_shapes(self, shapes: list[Shape], owner: int, place: Placement = WORLD, arch=False, gap_mm=1.5) -> None:
        """Merge a bone that is the plain union of shapes."""
        for shape in shapes:
            box, depth = evaluate(shape, self.frame, place)
            self.add(box, depth, owner, arch, gap_mm)


def brighten(bones: Bones, shape: Shape, hu: float, place: Placement = WORLD, soft_mm: float = 4.0) -> None:
    """Add HU to the spongy bone inside a shape, fading in over `soft_mm` below its surface."""
    box, depth = evaluate(shape, bones.frame, place, margin_mm=0.0)
    if depth.size:
        bones.extra_hu[box] += (np.float32(hu) * np.clip(depth / np.float32(soft_mm), 0, 1)).astype(np.int16)


def tube(points, radii, squash=(1.0, 1.0, 1.0)) -> list[Shape]:
    """Capsules along a polyline, points (n, 3) in mm, with one radius per point."""
    radii = np.broadcast_to(np.asarray(radii, float), len(points))
    return [
        capsule(points[k], points[k + 1], float(radii[k]), float(radii[k + 1]), squash) for k in range(len(points) - 1)
    ]


def blur(array: np.ndarray, sigma_mm, spacing_mm) -> np.ndarray:
    """Gaussian smoothing with `sigma_mm` (a number or one per axis); axes with less than 0.15 voxel are skipped."""
    for axis, sigma in enumerate(np.broadcast_to(np.asarray(sigma_mm, float), 3) / spacing_mm):
        if sigma >= 0.15:
            array = ndimage.gaussian_filter1d(array, sigma, axis, truncate=3.0, mode="nearest")
    return array
