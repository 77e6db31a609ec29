"""Builds the arch of a vertebra by region: pedicles, laminae, joint, transverse and spinous processes."""

from typing import NamedTuple

import numpy as np

from spine_tf.data.synthesis.phantom.boards import plate, slab
from spine_tf.data.synthesis.phantom.shapes import Shape, capsule, ellipsoid, shifted, smooth_min, tube
from spine_tf.data.synthesis.phantom.spine import FIRST_LUMBAR, Level
from spine_tf.scans.labels import C2, C7

LAST_CERVICAL = 6
"""Row of C7 in the chain."""


class Arch(NamedTuple):
    """Holds the parts of an arch, in the vertebra's own frame."""

    parts: list[Shape]
    joints: list[Shape]
    """Those of them that bear the joints; their bone is denser."""


def arch_shapes(level: Level, facet_mm: float, rng: np.random.Generator) -> Arch:
    """Make everything behind the body of a vertebra below C1.

    Args:
        level: its id and sizes.
        facet_mm: how much thicker wear has made the joint processes.
        rng: draws its shape.
    """
    if level.row <= LAST_CERVICAL:
        return _cervical(level, facet_mm, rng)
    return _lumbar(level, facet_mm, rng) if level.row >= FIRST_LUMBAR else _thoracic(level, facet_mm, rng)


def ring_shapes(level: Level) -> list[Shape]:
    """Make C1, which has no body: two arches, lateral masses, transverse processes, in its own frame.

    The dens of C2 stands behind the front arch.
    """
    grown = level.size["width"] / 19
    front = [(-19, 0, 0), (-10, 7.5, 0), (0, 10.5, 0), (10, 7.5, 0), (19, 0, 0)]
    rear = [(-20, -13, 0), (-17, -25, 0), (-9, -32.5, 0), (0, -35.5, 0), (9, -32.5, 0), (17, -25, 0), (20, -13, 0)]
    shapes = [*_tube(front, 3.0, grown, 1.6), *_tube(rear, 2.7, grown, 1.5)]
    shapes.append(ellipsoid((0, -36 * grown, 0), (4, 4, 4)))
    for side in (-1, 1):
        shapes.append(ellipsoid((side * 20 * grown, -6 * grown, 0), np.array([7.5, 10, 8.5]) * grown))
        for back in (-2, -12):
            shapes += tube(np.array([(side * 24, back, -1), (side * 38, -7, -3)]) * grown, [3.0, 3.6])
    return shapes


def dens_shape(level: Level) -> Shape:
    """Make the dens, the peg on top of C2, in the own frame of C2."""
    height = level.size["height"]
    return capsule((0, 0, height * 0.3), (0, 0, height * 0.5 + 17), 6.2, 4.8)


def _tube(points, radius, grown, tall) -> list[Shape]:
    return tube(np.array(points, float) * grown, radius, (1, 1, tall))


def _lamina(outer, inner, half_thick, half_high, lean) -> Shape:
    """A board between two points; `lean`: how far it leans forward going up, in mm for each mm."""
    outer, inner = np.asarray(outer, float), np.asarray(inner, float)
    along = outer - inner
    normal = np.cross(along, (0, lean, 1))
    return slab((outer + inner) / 2, normal, half_thick, np.linalg.norm(along) / 2 + 3, half_high)


def _pedicle(s, side: float, front: float, lift: float, corner) -> Shape:
    half, high = s["pedicle_width"] / 2, s["pedicle_height"] / 2
    at = min(s["canal_width"] / 2 + half * 0.75, s["width"] / 2 - half * 0.5)
    return capsule((side * at, front + 3, lift), corner, half, half, (1, 1, high / half))


def _lumbar(level: Level, facet_mm: float, rng) -> Arch:
    s = level.size
    front = -s["depth"] / 2
    rear, span, facet = front - s["canal_depth"], s["height"] / 2 + s["disc"] / 2, s["facet"]
    lift, grown = s["height"] * 0.16, (s["height"] + s["width"]) / 74
    parts, joints = [], []
    for side in (-1.0, 1.0):
        corner = np.array([side * (s["canal_width"] / 2 + 3.5), front - s["canal_depth"] * 0.5, lift])
        parts.append(_pedicle(s, side, front, lift, corner))
        above, below = (_lumbar_joint(level.row + k, side, s, rear, rng) for k in (-1, 0))
        thick = 3.6 * grown + facet_mm * 0.5
        upper = above.at + (0, 0, span) + above.normal * thick
        lower = below.at - (0, 0, span) - below.normal * thick
        joints.append(slab(upper, above.normal, thick + 0.3, 8.5 * grown + facet_mm * 0.5, 9.5 * grown, -0.018))
        joints.append(slab(lower, below.normal, thick + 0.5, 7.5 * grown + facet_mm * 0.5, 11 * grown, -0.018))
        parts.append(capsule(corner, upper - (0, 0, 5), 4.6 * grown, 4.2 * grown))
        parts.append(ellipsoid(shifted(upper, side * 2.5, -6 * grown, -4), np.full(3, 3.6) * grown))
        start, end = shifted(corner, -side * 1, -2, -3), shifted(lower, 0, 1, 5)
        parts.append(capsule(start, end, 4.4 * grown, 4.6 * grown, (1, 0.9, 1.2)))
        outer, inner = (side * facet * 0.95, front - s["canal_depth"] * 0.62, -2.0), (side * 0.5, rear - 4.0, -5.5)
        parts.append(_lamina(outer, inner, 3.1, s["lamina_high"] * rng.uniform(0.85, 1.0), 0.3))
        back = np.radians(s["transverse_back_deg"] + rng.normal(0, 5))
        start = shifted(corner, side * 1.0, 1.0, -1)
        reach = max(s["transverse"] - facet, 6.0) / np.cos(back) * rng.uniform(0.85, 1.1)
        end = start + reach * np.array([side * np.cos(back), -np.sin(back), 0.05 + rng.normal(0, 0.06)])
        parts.append(capsule(start, end, 3.3, rng.uniform(2.0, 3.2), (1, 0.8, 1.8)))
    length, high = s["spinous"], s["spinous_high"] * rng.uniform(0.8, 1.05)
    drop = np.tan(np.radians(s["spinous_down_deg"])) * length
    start, end = np.array([0, rear - 2.0, -5.0]), np.array([rng.normal(0, 1.0), rear - 2.0 - length, -5.0 - drop])
    parts.append(plate(start, end, rng.uniform(2.4, 3.2), (high * 0.85, high), 0))
    tip = shifted(end, 0, 3, 0)
    parts.append(capsule(shifted(tip, 0, 0, high * 0.5), shifted(tip, 0, -1, -high * 0.55), 3.4, 4.4, (0.9, 1, 1)))
    return Arch(parts, joints)


class _Joint(NamedTuple):
    at: np.ndarray
    normal: np.ndarray
    """From the upper vertebra's process to the lower one's: to the side and forward."""


def _lumbar_joint(row: float, side: float, s, rear: float, rng) -> _Joint:
    # High up the joints stand along the midline, at the sacrum across it.
    angle = np.radians(np.interp(row, [18, 23], [20, 50]) + rng.normal(0, 4))
    return _Joint(np.array([side * s["facet"], rear + 1.0, 0.0]), np.array([side * np.cos(angle), np.sin(angle), 0.0]))


def _thoracic(level: Level, facet_mm: float, rng) -> Arch:
    s = level.size
    front = -s["depth"] / 2
    rear, span, facet = front - s["canal_depth"], s["height"] / 2 + s["disc"] / 2, s["facet"]
    lift, grown = s["height"] * 0.2, s["facet"] / 12.5
    last = level.row > FIRST_LUMBAR - 2
    parts, joints = [], []
    for side in (-1.0, 1.0):
        corner = np.array([side * facet, front - s["canal_depth"] * 0.55, lift])
        parts.append(_pedicle(s, side, front, lift, corner))
        normal = np.array([side * 0.28, -0.9, 0.34])
        normal /= np.linalg.norm(normal)
        at = np.array([side * facet * 0.92, front - s["canal_depth"] * 0.72, 0.0])
        thick = 2.2 * grown + facet_mm * 0.3
        upper = shifted(at, 0, 0, span) - normal * thick
        joints.append(slab(upper, normal, thick + 0.3, 5.8 * grown, 7.0 * grown))
        parts.append(capsule(corner, upper - (0, 0, 3), 3.6, 3.0))
        if last:
            # The joint to L1 already is a lumbar one.
            below = _lumbar_joint(18, side, s | {"facet": facet + 1}, rear, rng)
            lower = below.at - (0, 0, span) - below.normal * 3.3
            joints.append(slab(lower, below.normal, 3.6, 6.0, 10.0, -0.018))
        else:
            lower = at - (0, 0, span) + normal * thick
            joints.append(slab(lower, normal, thick + 0.5, 6.0 * grown, 8.0 * grown))
        parts.append(capsule(shifted(corner, 0, -3, -2), shifted(lower, 0, 0, 3), 3.4, 3.4, (1.1, 0.8, 1)))
        outer = (side * facet * 0.95, front - s["canal_depth"] * 0.78, -2.0)
        parts.append(_lamina(outer, (side * 0.5, rear - 2.5, -5.0), 2.5, span * rng.uniform(0.78, 0.92), 0.25))
        back = np.radians(s["transverse_back_deg"] + rng.normal(0, 4))
        start = np.array([side * (facet + 1.0), front - s["canal_depth"] * 0.6, lift - 1])
        reach = max(s["transverse"] - facet, 6.0) / np.cos(back) * rng.uniform(0.9, 1.1)
        end = start + reach * np.array([side * np.cos(back), -np.sin(back), 0.12])
        parts.append(capsule(start, end, 3.8, 4.6 if not last else 3.4, (1, 1, 1.2)))
    drop = np.tan(np.radians(s["spinous_down_deg"]))
    slope = s["spinous"] / np.hypot(1, drop)
    start = np.array([0, rear - 2.0, -4.0])
    end = shifted(start, rng.normal(0, 1.0), -slope, -slope * drop)
    high = s["spinous_high"] * rng.uniform(0.85, 1.1)
    parts.append(plate(start, end, rng.uniform(2.1, 2.8), (high * 1.1, high * 0.9), 0))
    parts.append(capsule(shifted(end, 0, high * 0.4, 0), shifted(end, 0, 0.5, -high * 0.4), 3.4, 4.0, (1.1, 1, 1)))
    return Arch(parts, joints)


def _cervical(level: Level, facet_mm: float, rng) -> Arch:
    s = level.size
    front = -s["depth"] / 2
    rear, span, facet = front - s["canal_depth"], s["height"] / 2 + s["disc"] / 2, s["facet"]
    grown = facet / 19
    parts, joints = [], []
    for side in (-1.0, 1.0):
        corner = (side * facet, front - s["canal_depth"] * 0.4, 0)
        parts.append(_pedicle(s, side, front, 0.0, corner))
        tall = span * (0.99 if level.label != C2 else 0.6)
        middle = (side * facet, front - 6.5 * grown, -1.0)
        joints.append(_pillar(middle, (6.4 + facet_mm * 0.5) * grown, 6.5 * grown, tall))
        pillar, ridge = (side * facet * 0.9, front - s["canal_depth"] * 0.72, -1.0), (side * 0.5, rear - 2.5, -2.5)
        parts.append(_lamina(pillar, ridge, 2.1, s["lamina_high"] * 0.9, 0.35))
        tip = np.array([side * s["transverse"], front + 4.0 + rng.normal(0, 1), -2.0])
        # Two roots with the hole for the vertebral artery between them.
        parts.append(capsule((side * (s["width"] / 2 - 1), front + 7, -1), shifted(tip, 0, 2.5, 0), 2.2, 2.6))
        parts.append(capsule((side * (facet - 1), front - 1, -1), shifted(tip, 0, -1.5, 0), 2.4, 2.6))
        if level.label == C2:
            joints.append(ellipsoid((side * 15 * grown, -3, s["height"] * 0.3), np.array([8, 9, 6]) * grown))
    drop = np.tan(np.radians(s["spinous_down_deg"]))
    slope = s["spinous"] / np.hypot(1, drop)
    start = np.array([0.0, rear - 2.0, -0.35 * s["lamina_high"]])
    end = shifted(start, rng.normal(0, 1.0), -slope, -slope * drop)
    high = s["spinous_high"] * rng.uniform(0.8, 1.05)
    parts.append(plate(start, end, 2.4, (high * 0.9, high), 0))
    if level.label == C7:
        parts.append(ellipsoid(end, (4.5, 5, 4.5)))
    else:
        parts += [ellipsoid(shifted(end, side * 4 * grown, -2, 0), np.array([3, 4, 3]) * grown) for side in (-1, 1)]
    return Arch(parts, joints)


def _pillar(centre, half_wide: float, half_deep: float, half_high: float) -> Shape:
    """An articular pillar: its joints above and below slope down to the back."""
    c = np.asarray(centre, np.float32)
    slope = np.float32(0.6)

    def depth(u, v, w):
        x, y, z = u - c[0], v - c[1], w - c[2]
        wall = smooth_min(np.float32(half_wide) - np.abs(x), np.float32(half_deep) - np.abs(y), 5.0)
        return smooth_min(wall, (np.float32(half_high) - np.abs(z - slope * y)) * np.float32(0.86), 2.0)

    reach = np.array([half_wide, half_deep, half_high + slope * half_deep], np.float32)
    return Shape(c - reach, c + reach, depth)
