"""Evaluates implicit shapes on a voxel grid: each gives its depth in mm below the surface, positive inside.

A shape is evaluated in its own bounding box only, so that a body of hundreds of shapes is made in seconds.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

MARGIN_MM = 4.0
"""How far outside its surface a shape's depth is still computed: as far as blending and partial volume reach."""


@dataclass(frozen=True)
class Frame:
    """Describes a voxel grid along the world's axes (RAS+), the centre of its first voxel at `origin_mm`."""

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    origin_mm: tuple[float, float, float]

    @property
    def affine(self) -> np.ndarray:
        """Voxels to mm, (4, 4) float64."""
        affine = np.diag([*self.spacing_mm, 1.0])
        affine[:3, 3] = self.origin_mm
        return affine

    def axis_mm(self, axis: int, part: slice = slice(None)) -> np.ndarray:
        """Return the voxel centres along one axis in mm, float32, shaped to broadcast over (x, y, z)."""
        values = self.origin_mm[axis] + self.spacing_mm[axis] * np.arange(self.shape[axis])[part]
        return values.astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])

    def box(self, low_mm, high_mm) -> tuple[slice, slice, slice]:
        """Return slices of the voxels between two corners (3,) in mm, cut to the grid; they may be empty."""
        first = np.ceil((np.asarray(low_mm) - self.origin_mm) / self.spacing_mm).astype(int)
        last = np.floor((np.asarray(high_mm) - self.origin_mm) / self.spacing_mm).astype(int) + 1
        return tuple(slice(max(0, a), max(0, a, min(b, n))) for a, b, n in zip(first, last, self.shape, strict=True))

    def part(self, box) -> "Frame":
        """Return the grid of the voxels in a box of slices."""
        origin = tuple(o + part.start * s for o, part, s in zip(self.origin_mm, box, self.spacing_mm, strict=True))
        return Frame(size_of(box), self.spacing_mm, origin)

    def voxel(self, point_mm) -> np.ndarray | None:
        """Return where a point (3,) in mm lies, in voxels, not rounded; None outside of the grid."""
        at = (point_mm - np.array(self.origin_mm)) / self.spacing_mm
        return at if np.all((at >= 0) & (at <= np.array(self.shape) - 1)) else None


@dataclass(frozen=True)
class Placement:
    """Places a frame of its own (u right, v front, w up) in the world: world = centre + rotation @ (u, v, w)."""

    centre_mm: np.ndarray
    rotation: np.ndarray

    def to_world(self, point) -> np.ndarray:
        """Return a point (3,) of the own frame in mm of the world."""
        return self.centre_mm + self.rotation @ np.asarray(point, float)


WORLD = Placement(np.zeros(3), np.eye(3))


def rotation(about_x: float, about_y: float, about_z: float) -> np.ndarray:
    """Return the matrix (3, 3) that turns about x, then about y, then about z; angles in radians."""
    (sx, sy, sz), (cx, cy, cz) = np.sin([about_x, about_y, about_z]), np.cos([about_x, about_y, about_z])
    turn_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    turn_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    turn_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return turn_z @ turn_y @ turn_x


class Shape(NamedTuple):
    """Holds `depth(u, v, w)` in mm, positive inside, and the corners `low` and `high`, (3,) mm, that enclose it.

    `depth` takes float32 coordinates in mm of the shape's own frame, which broadcast against each other.
    """

    low: np.ndarray
    high: np.ndarray
    depth: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def ellipsoid(centre, radii) -> Shape:
    """Make an ellipsoid along the own axes; its depth is exact on the surface to first order.

    Args:
        centre, radii: (3,) in mm.
    """
    centre, radii = np.asarray(centre, np.float32), np.asarray(radii, np.float32)
    smallest = np.float32(radii.min())

    def depth(u, v, w):
        q = ((u - centre[0]) / radii[0]) ** 2 + ((v - centre[1]) / radii[1]) ** 2 + ((w - centre[2]) / radii[2]) ** 2
        return (1 - np.sqrt(q)) * smallest

    return Shape(centre - radii, centre + radii, depth)


def block(centre, half, round_mm: float) -> Shape:
    """Make a box along the own axes.

    Args:
        centre, half: (3,) in mm, its middle and half its sides.
        round_mm: by how much, about, its edges are rounded.
    """
    centre, half = np.asarray(centre, np.float32), np.asarray(half, np.float32)

    def depth(u, v, w):
        sides = [half[k] - np.abs(p - centre[k]) for k, p in enumerate((u, v, w))]
        return smooth_min(smooth_min(sides[0], sides[1], 2.5 * round_mm), sides[2], round_mm)

    return Shape(centre - half, centre + half, depth)


def capsule(start, end, r_start: float, r_end: float, squash=(1.0, 1.0, 1.0)) -> Shape:
    """Make a rounded, tapered rod.

    Args:
        start, end: (3,) in mm.
        r_start, r_end: radii there in mm.
        squash: factors that stretch its cross-section along the own axes.
    """
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


def shifted(point, x: float, y: float, z: float, scale: float = 1.0) -> np.ndarray:
    """Return a point (3,) in mm moved by (x, y, z) times `scale`."""
    return np.add(point, np.multiply((x, y, z), scale))


def evaluate(shape: Shape, frame: Frame, place: Placement = WORLD, margin_mm: float = MARGIN_MM):
    """Compute a shape's depth where it lies.

    Args:
        shape: in the frame of `place`.
        frame: the voxel grid.
        place: where the shape lies in the world.
        margin_mm: how far outside the shape its depth is wanted.

    Returns:
        slices into (x, y, z), and the depth in mm there, float32 of their shape; perhaps empty.
    """
    middle, half = (shape.low + shape.high) / 2, (shape.high - shape.low) / 2 + margin_mm
    centre, reach = place.to_world(middle), np.abs(place.rotation) @ half
    box = frame.box(centre - reach, centre + reach)
    return box, depth_in(shape, frame, place, box)


def depth_in(shape: Shape, frame: Frame, place: Placement, box) -> np.ndarray:
    """Compute a shape's depth in a given box of slices; arguments and result as in `evaluate`."""
    x, y, z = (frame.axis_mm(axis, box[axis]) - np.float32(place.centre_mm[axis]) for axis in range(3))
    if place is WORLD:
        # Axes that broadcast: a shape then works along one axis for as long as it can.
        return np.broadcast_to(shape.depth(x, y, z), size_of(box))
    turn = place.rotation.astype(np.float32)
    return shape.depth(*(turn[0, k] * x + turn[1, k] * y + turn[2, k] * z for k in range(3)))


def size_of(box) -> tuple[int, ...]:
    """Return how many voxels a box of slices has along each axis."""
    return tuple(part.stop - part.start for part in box)


def enclosing(boxes) -> tuple[slice, ...]:
    """Return the smallest box of slices around some boxes."""
    return tuple(
        slice(min(part.start for part in sides), max(part.stop for part in sides)) for sides in zip(*boxes, strict=True)
    )


def within(box, around) -> tuple[slice, ...]:
    """Return a box of slices counted from the first voxel of another one around it."""
    return tuple(slice(b.start - a.start, b.stop - a.start) for b, a in zip(box, around, strict=True))


def smooth_max(a, b, blend_mm: float):
    """Unite two depths in mm, with a fillet of `blend_mm` where both are alike."""
    overlap = np.maximum(np.float32(blend_mm) - np.abs(a - b), 0)
    return np.maximum(a, b) + overlap * overlap * np.float32(0.25 / blend_mm)


def smooth_min(a, b, blend_mm: float):
    """Intersect two depths in mm, with an edge rounded by `blend_mm`."""
    overlap = np.maximum(np.float32(blend_mm) - np.abs(a - b), 0)
    return np.minimum(a, b) - overlap * overlap * np.float32(0.25 / blend_mm)


def tube(points, radii, squash=(1.0, 1.0, 1.0)) -> list[Shape]:
    """Make capsules along a polyline.

    Args:
        points: (n, 3) in mm.
        radii: (n,) in mm, or one for all.
        squash: see `capsule`.
    """
    nodes = list(zip(points, np.broadcast_to(np.asarray(radii, float), len(points)).tolist(), strict=True))
    return [capsule(start, end, r0, r1, squash) for (start, r0), (end, r1) in itertools.pairwise(nodes)]
