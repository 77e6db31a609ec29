"""Cuts real vertebrae out of label maps: where each one lies, how it stands, and its surface in its own frame."""

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from spine_tf.data.synthesis.phantom.shapes import Frame, Placement
from spine_tf.scans.labels import C1, COCCYX, LAST_LABEL, SACRUM

_NOT_CUT_OUT = (C1, SACRUM, COCCYX)
"""C1 has no body to be placed by; sacrum and coccyx are no vertebrae here."""
_SMALLEST_MM3 = 3000.0
_LARGEST_CUT_MM2 = 250.0
"""The tip of a process may be missing at the border of a map (it is completed from the other side), a body may not."""
_CRUSHED = 0.55
"""A body with less of the usual height is pressed so flat that its centre cannot be told by its thickness."""
GRID_MM = 1.0
"""Voxel size of a vertebra's own box."""
_FAR_MM = -12.7
LOW_MM, HIGH_MM = np.array([-62.0, -88.0, -64.0]), np.array([62.0, 36.0, 46.0])
"""Corners of a vertebra's own box: right, front, up."""


@dataclass(frozen=True)
class Vertebra:
    """Holds one vertebra of a label map: VerSe id, place (u right, v front, w up from the body's centre), sizes."""

    label: int
    place: Placement
    width: float
    depth: float
    height: float
    rear: float
    """From the body's centre back to its rear wall, where the canal starts."""
    whole: bool
    """The map's border cuts at most the tip of a process, and it is not crushed: its shape can be used elsewhere."""

    def arch(self, points_mm: np.ndarray) -> np.ndarray:
        """Return which points (n, 3), in mm of the map, lie behind the body, bool (n,)."""
        return (points_mm - self.place.centre_mm) @ self.place.rotation[:, 1] < -self.rear - 0.5


def measure_vertebrae(owner: np.ndarray, depth_mm: np.ndarray, frame: Frame) -> list[Vertebra]:
    """Measure places and sizes of the vertebrae of a map.

    A body is the thickest part; "up" is the direction of the curve through the bodies' centres, "front" that from the
    whole's centre of mass to the body's, made square to it.

    Args:
        owner: uint8 (x, y, z); vertebrae are VerSe ids.
        depth_mm: float32 (x, y, z), positive inside bone.
        frame: the map's grid.

    Returns:
        the vertebrae from the head down; none where there are fewer than two.
    """
    spine = np.where((depth_mm > 0) & (owner <= LAST_LABEL), owner, 0)
    found = {}
    for label, box in enumerate(ndimage.find_objects(spine), 1):
        inside = spine[box] == label if box is not None else np.zeros(0)
        if label in _NOT_CUT_OUT or inside.sum() * np.prod(frame.spacing_mm) < _SMALLEST_MM3:
            continue
        thick = ndimage.distance_transform_edt(np.pad(inside, 1), frame.spacing_mm)[1:-1, 1:-1, 1:-1]
        start = np.array([side.start for side in box])
        body, mass = np.argwhere(thick > 0.62 * thick.max()).mean(0), np.argwhere(inside).mean(0)
        centre, mass = (frame.origin_mm + (start + one) * frame.spacing_mm for one in (body, mass))
        found[label] = (centre, mass, _cut_mm2(inside, box, frame) <= _LARGEST_CUT_MM2)
    order = sorted(found, key=lambda label: -found[label][0][2])
    if len(order) < 2:
        return []
    centres = np.array([found[label][0] for label in order])
    up = -np.gradient(centres, axis=0, edge_order=2 if len(order) > 2 else 1)
    result = []
    for label, centre, w in zip(order, centres, up / np.linalg.norm(up, axis=1, keepdims=True), strict=True):
        ahead = centre - found[label][1]
        # A vertebra cut to its body has no arch to tell its front by.
        v = ahead if np.linalg.norm(ahead) > 4 else np.array([0.0, 1.0, 0.0])
        v = v - (v @ w) * w
        v /= np.linalg.norm(v)
        place = Placement(centre, np.stack([np.cross(v, w), v, w], axis=1))
        result.append(Vertebra(label, place, *_body_size(place, spine == label, frame), found[label][2]))
    usual = np.median([one.height for one in result])
    return [replace(one, whole=one.whole and one.height > _CRUSHED * usual) for one in result]


def cut_shape(vertebra: Vertebra, depth_mm: np.ndarray, part: Frame, frame: Frame) -> np.ndarray:
    """Resample a vertebra's depth in its own frame.

    What the map does not reach is taken from the vertebra's other side.

    Args:
        vertebra: its place.
        depth_mm: float32 (x, y, z), of this vertebra alone.
        part: the grid of `depth_mm`, the part of the map that holds the vertebra.
        frame: the map's grid.

    Returns:
        float32 (u, v, w) in mm, on a grid of GRID_MM from LOW_MM to HIGH_MM.
    """
    axes = [np.arange(low, high + GRID_MM / 2, GRID_MM) for low, high in zip(LOW_MM, HIGH_MM, strict=True)]
    u, v, w = np.meshgrid(*axes, indexing="ij")
    halves = []
    for sign in (1, -1):
        own = np.stack([sign * u, v, w]).reshape(3, -1)
        at = vertebra.place.centre_mm[:, None] + vertebra.place.rotation @ own
        near, there = (
            (at - np.reshape(one.origin_mm, (3, 1))) / np.reshape(one.spacing_mm, (3, 1)) for one in (part, frame)
        )
        value = ndimage.map_coordinates(depth_mm, near, order=1, mode="constant", cval=_FAR_MM, prefilter=False)
        beyond = np.any((there < 0) | (there > np.reshape(frame.shape, (3, 1)) - 1), axis=0)
        halves.append(np.where(beyond, np.nan, value).reshape(u.shape))
    shape = np.where(np.isnan(halves[0]), halves[1], halves[0])
    return np.nan_to_num(shape, nan=_FAR_MM).astype(np.float32)


def _cut_mm2(inside, box, frame) -> float:
    """How much of the map's border a vertebra touches."""
    area = 0.0
    for axis, (side, count) in enumerate(zip(box, frame.shape, strict=True)):
        first, last = (inside.take(end, axis).sum() for end in (0, -1))
        touched = first * (side.start == 0) + last * (side.stop == count)
        area += np.prod(frame.spacing_mm) / frame.spacing_mm[axis] * touched
    return float(area)


def _body_size(place: Placement, inside: np.ndarray, frame: Frame) -> tuple[float, float, float, float]:
    """Width, depth, height, and the way from the centre to the rear wall: medians over a few parallel lines."""

    def reach(direction, offsets) -> float:
        ways = np.arange(0, 45, 0.5)
        lines = np.asarray(offsets, float)[:, None, :] + ways[None, :, None] * np.asarray(direction, float)
        points = place.centre_mm + lines @ place.rotation.T  # (lines, ways, 3)
        at = np.rint((points - frame.origin_mm) / frame.spacing_mm).astype(int)
        within = np.all((at >= 0) & (at < frame.shape), axis=-1)
        bone = inside[tuple(np.where(within[..., None], at, 0).transpose(2, 0, 1))] & within
        first_out = np.argmin(np.c_[bone[:, :-1], np.zeros(len(bone), bool)], axis=1)
        return float(np.median(ways[first_out])) - 0.25

    cross = [(a, b) for a in (-4, 0, 4) for b in (-4, 0, 4)]
    to_side, to_front, to_top = ([np.insert(pair, axis, 0) for pair in cross] for axis in range(3))
    rear = reach((0, -1, 0), to_front)
    width = reach((1, 0, 0), to_side) + reach((-1, 0, 0), to_side)
    height = reach((0, 0, 1), to_top) + reach((0, 0, -1), to_top)
    return width, reach((0, 1, 0), to_front) + rear, height, rear
