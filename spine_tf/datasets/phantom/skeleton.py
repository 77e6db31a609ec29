"""Bones other than vertebrae, all of them background in training: ribs, sternum, sacrum, pelvis, skull, shoulder."""

import numpy as np

from spine_tf.datasets.phantom.shapes import (
    Bones,
    Frame,
    Placement,
    Shape,
    block,
    capsule,
    ellipsoid,
    evaluate,
    plate,
    shifted,
    tube,
)
from spine_tf.datasets.phantom.spine import SACRUM, T13, Level, Spine
from spine_tf.datasets.phantom.trunk import Trunk

RIB, STERNUM, HIP, FEMUR, SKULL, MANDIBLE, SCAPULA = 100, 130, 140, 142, 150, 151, 152
"""Owners of bones that have no VerSe id; a rib's is RIB + 2 * its number + its side, a hip's or femur's + its side."""


def rib_path(level: Level, trunk: Trunk, number: int, side: int, drop_mm: float) -> np.ndarray:
    """The middle of a rib, (n, 3) mm: from the joint on the body past the transverse process around the chest."""
    s, place = level.size, level.place
    head = place.to_world((side * (s["width"] / 2 - 1), -s["depth"] / 2 + 3, s["height"] * 0.42))
    back = np.radians(s["transverse_back_deg"])
    lateral = s["transverse"] + 1
    behind = -s["depth"] / 2 - s["canal_depth"] * 0.55 - (lateral - s["facet"]) * np.tan(back) + 7.5
    tubercle = place.to_world((side * lateral, behind, s["height"] * 0.2))
    end = {1: 0.62, 11: 0.45, 12: 0.3}.get(number, 0.8)
    angle = np.linspace(0.2, end, 26) * np.pi
    z = tubercle[2] - 4 - drop_mm * (angle / np.pi) ** 1.2
    half_x, half_y = trunk.at(trunk.cage, z)
    cx, cy = trunk.at(trunk.cage_centre, z)
    around = np.stack([cx + side * half_x * np.sin(angle), cy - half_y * np.cos(angle), z], 1)
    beyond = np.abs(around[:, 0] - tubercle[0]) > 8
    beyond &= side * (around[:, 0] - tubercle[0]) > 0
    # Points of the front have small x again; only those before the first one beside the tubercle are dropped.
    first = int(np.argmax(beyond))
    points = np.concatenate([[head, (head + tubercle) / 2 + [0, -1.5, 1], tubercle], around[first:]])
    smooth = points.copy()
    smooth[2:-1] = (points[1:-2] + 2 * points[2:-1] + points[3:]) / 4
    return smooth


def add_ribs(bones: Bones, spine: Spine, trunk: Trunk, rng: np.random.Generator) -> list[np.ndarray]:
    """Merge all ribs; returns the front ends of those that go on as cartilage, (3,) mm each."""
    ends = []
    for level in spine.levels:
        number = 13 if level.label == T13 else level.label - 7
        if not (8 <= level.label <= 19 or level.label == T13):
            continue
        for side in (-1, 1):
            drop = float(np.interp(number, [1, 5, 10, 12], [45, 105, 115, 90]) * rng.uniform(0.85, 1.1))
            path = rib_path(level, trunk, min(number, 12), side, drop)
            count = len(path) if number < 13 else 8
            radius = np.interp(np.arange(count), [0, 3, 8, count], [4.3, 3.6, 3.6, 3.3]) * spine.scale
            owner = RIB + 2 * number + (side > 0)
            bones.add_shapes(tube(path[:count], radius, (1, 1, 1.5)), owner, arch=False, gap_mm=1.8)
            if number <= 10:
                ends.append(path[-1])
    return ends


def add_sternum(bones: Bones, spine: Spine, trunk: Trunk) -> None:
    """Merge the breast bone, in front of T3 to T9."""
    z = np.array([spine.level(label).place.centre_mm[2] for label in (10, 16)])
    (_, half_y), (cx, cy) = trunk.at(trunk.cage, z), trunk.at(trunk.cage_centre, z)
    top, bottom = ((cx[k], cy[k] + half_y[k] - 2, z[k]) for k in range(2))
    bones.add_shapes([capsule(top, bottom, 6, 5, (3.2, 1, 1))], STERNUM)


def add_sacrum(bones: Bones, spine: Spine, rng: np.random.Generator) -> None:
    """Merge the sacrum: five shrinking segments on a curve, the wings, the crest; its canal stays open."""
    last, place, parts = spine.levels[-1].size, spine.sacrum, []
    turn, point = place.rotation, place.centre_mm
    bend = rng.uniform(9, 15)
    for k in range(5):
        scale = 1 - 0.16 * k
        width, depth, height = last["width"] * scale, last["depth"] * 0.95 * scale * (1 - 0.08 * k), 29 * scale
        down = Placement(point - turn[:, 2] * height / 2, turn)
        shapes = [block((0, 0, 0), (width * 0.52, depth * 0.52, height * 0.5), 6.0)]
        for side in (-1, 1):
            wing = (side * width * 0.62, -depth * 0.3, -height * 0.1)
            shapes.append(ellipsoid(wing, (width * (0.5 - 0.03 * k), depth * (0.62 - 0.04 * k), height * 0.72)))
            lamina = (side * width * 0.3, -depth * 0.5 - 15 * scale, -height * 0.1)
            shapes.append(plate(lamina, (0, -depth * 0.5 - 20 * scale, -height * 0.2), 13 * scale, (3.2, 3.0), 2))
        crest = (0, -depth * 0.5 - 22 * scale, -height * 0.2)
        shapes.append(capsule(crest, np.add(crest, (0, -7 * scale, -2)), 3.5, 3.5, (1, 1, 2 * scale)))
        parts += [(shape, down, width, depth) for shape in shapes]
        point = point - turn[:, 2] * height
        lean = np.radians(bend)
        # Each segment leans further back, so that the front of the sacrum is hollow.
        turn = turn @ np.array([[1, 0, 0], [0, np.cos(lean), np.sin(lean)], [0, -np.sin(lean), np.cos(lean)]])
    for shape, down, width, depth in parts:
        box, value = evaluate(shape, bones.frame, down)
        if not value.size:
            continue
        holes = [capsule((0, -depth * 0.5 - 9, 40), (0, -depth * 0.5 - 7, -40), 7, 6, (width / 32, 1, 1))]
        holes += [capsule((s * width * 0.48, 30, -14), (s * width * 0.42, -60, -14), 4.5, 4.5) for s in (-1, 1)]
        for hole in holes:
            value = np.minimum(value, -_depth_in(hole, bones.frame, down, box))
        bones.add(box, value, SACRUM)


def _depth_in(shape: Shape, frame: Frame, place: Placement, box) -> np.ndarray:
    x, y, z = (frame.axis_mm(axis, box[axis]) - np.float32(place.centre_mm[axis]) for axis in range(3))
    turn = place.rotation.astype(np.float32)
    return shape.depth(*(turn[0, k] * x + turn[1, k] * y + turn[2, k] * z for k in range(3)))


def add_pelvis(bones: Bones, spine: Spine) -> None:
    """Merge both hip bones and the tops of the femora."""
    scale = spine.scale
    for side in (-1, 1):

        def at(x, y, z, side=side):
            return np.array([side * x, y, z]) * scale

        wing = [(54, -62, -30), (66, -48, 2), (92, -18, 18), (122, 18, 8), (134, 44, -22)]
        foot = [(60, -58, -62), (66, -38, -62), (80, -10, -62), (92, 14, -66), (102, 34, -66)]
        owner = HIP + (side > 0)
        top, low = (np.array([at(*point) for point in edge]) for edge in (wing, foot))
        sheet = [top * (1 - t) + low * t for t in np.linspace(0, 1, 11)]
        shapes = [rod for line in sheet for rod in tube(line, 5.5)]
        shapes += tube([at(60, -58, -62), at(78, -22, -85), at(90, 6, -110)], [8, 14, 20])
        shapes += [
            capsule(at(92, 4, -110), at(72, -32, -165), 18, 13),
            capsule(at(90, 14, -112), at(14, 46, -140), 10, 8),
        ]
        shapes += [capsule(at(14, 46, -142), at(66, -22, -170), 7, 8)]
        bones.add_shapes(shapes, owner, gap_mm=2.5)
        thigh = [
            ellipsoid(at(98, 4, -122), np.full(3, 24) * scale),
            capsule(at(100, 4, -124), at(138, -2, -150), 15, 17),
            capsule(at(140, -4, -145), at(142, 0, -420), 19, 15),
        ]
        bones.add_shapes(thigh, FEMUR + (side > 0), gap_mm=3.0)


def add_skull(bones: Bones, spine: Spine) -> None:
    """Merge a hollow skull above C1 with a base that C1 carries, and a lower jaw."""
    top = shifted(spine.levels[0].place.centre_mm, 0, 0, 12)
    outer = ellipsoid(shifted(top, 0, 22, 68), (72, 92, 74))
    box, depth = evaluate(outer, bones.frame)
    bones.add(box, np.minimum(depth, 7.5 - depth), SKULL)
    base = [capsule(shifted(top, s * 18, -8, 2), shifted(top, s * 24, 6, 6), 7, 7) for s in (-1, 1)]
    base += [ellipsoid(shifted(top, s * 46, -2, 2), (13, 17, 20)) for s in (-1, 1)]
    bones.add_shapes([*base, ellipsoid(shifted(top, 0, 32, 8), (24, 20, 9))], SKULL)
    jaw = [
        shifted(top, s * x, y, z)
        for s, x, y, z in ((-1, 48, 22, 2), (-1, 42, 32, -40), (-1, 20, 68, -52), (1, 20, 68, -52))
    ]
    jaw += [shifted(top, 42, 32, -40), shifted(top, 48, 22, 2)]
    bones.add_shapes(tube(jaw, 6, (1, 1, 1.8)), MANDIBLE)


def add_scapulae(bones: Bones, spine: Spine, trunk: Trunk) -> None:
    """Merge shoulder blades behind the cage and collar bones above it."""
    high, low = (spine.level(label).place.centre_mm[2] for label in (9, 14))
    for side in (-1, 1):
        rows = []
        for z in (high, low):
            (half_x, half_y), (cx, cy) = trunk.at(trunk.cage, low), trunk.at(trunk.cage_centre, z)
            rows.append(
                [
                    np.array([cx + side * (half_x + 10) * np.sin(a), cy - (half_y + 12) * np.cos(a), z])
                    for a in (0.72, 1.05, 1.4)
                ]
            )
        shapes = [
            capsule(rows[0][k] * (1 - t) + rows[1][k] * t, rows[0][k + 1] * (1 - t) + rows[1][k] * t, 3.2, 3.2)
            for k in range(2)
            for t in np.linspace(0, 1, 40)
        ]
        cx, cy = trunk.at(trunk.cage_centre, high)
        half = trunk.at(trunk.cage, low)[0]
        joint = (cx + side * (half + 28), cy, high + 10)
        shapes += [capsule(rows[0][2], joint, 7, 11), capsule((cx + side * 18, cy + 45, high - 2), joint, 6, 6)]
        bones.add_shapes(shapes, SCAPULA + (side > 0), gap_mm=2.0)
