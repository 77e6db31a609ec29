"""Builds the rib cage: ribs, their cartilage and the breast bone; all of it background in training."""

import numpy as np

from spine_tf.data.synthesis.phantom.bones import Bones
from spine_tf.data.synthesis.phantom.paint import Painter
from spine_tf.data.synthesis.phantom.shapes import capsule, evaluate, tube
from spine_tf.data.synthesis.phantom.spine import Level, Spine
from spine_tf.data.synthesis.phantom.tissue import Tissue
from spine_tf.data.synthesis.phantom.trunk import Trunk
from spine_tf.scans.labels import REGIONS

RIB, STERNUM = 100, 130
"""Owners of bones that have no VerSe id; a rib's is RIB + 2 * its number + its side."""


def rib_path(level: Level, trunk: Trunk, number: int, side: int, drop_mm: float) -> np.ndarray:
    """Compute the middle line of a rib: from the body past the transverse process around the chest.

    Args:
        level: the vertebra that bears it.
        trunk: the rib cage that it follows.
        number: 1..12; the first and the last ribs are shorter.
        side: -1 left, 1 right.
        drop_mm: how far it sinks on its way to the front.

    Returns:
        (n, 3) in mm.
    """
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
    """Merge all ribs into `bones`.

    Returns:
        the front ends of those that go on as cartilage, (3,) mm each.
    """
    ends = []
    for level in spine.levels:
        if level.label not in REGIONS["thoracic"]:
            continue
        number = 1 + REGIONS["thoracic"].index(level.label)
        for side in (-1, 1):
            drop = float(np.interp(number, [1, 5, 10, 12], [45, 105, 115, 90]) * rng.uniform(0.85, 1.1))
            path = rib_path(level, trunk, min(number, 12), side, drop)
            count = len(path) if number < 13 else 8
            radius = np.interp(np.arange(count), [0, 3, 8, count], [4.3, 3.6, 3.6, 3.3]) * spine.scale
            owner = RIB + 2 * number + (side > 0)
            bones.add_shapes(tube(path[:count], radius, (1, 1, 1.5)), owner, gap_mm=1.8)
            if number <= 10:
                ends.append(path[-1])
    return ends


def add_sternum(bones: Bones, spine: Spine, trunk: Trunk) -> None:
    """Merge the breast bone in front of T3 to T9 into `bones`: manubrium, body, xiphoid."""
    z = np.array([spine.level(label).place.centre_mm[2] for label in (10, 16)])
    z = z[0] + (z[1] - z[0]) * np.array([-0.05, 0.2, 0.24, 0.85, 0.89, 1.08])
    (_, half_y), (cx, cy) = trunk.at(trunk.cage, z), trunk.at(trunk.cage_centre, z)
    at = np.stack([cx * 0.8, cy + half_y - 2, z], 1)
    for number, (start, end, wide) in enumerate(((6, 5, 4.2), (4.8, 5.2, 3.0), (3.5, 2.5, 2.0))):
        part = capsule(at[2 * number], at[2 * number + 1], start, end, (wide, 1, 1))
        bones.add_shapes([part], STERNUM + number, gap_mm=2.0)


def paint_cartilage(paint: Painter, spine: Spine, ends: list[np.ndarray], calcified: float) -> None:
    """Paint the cartilage between ribs and breast bone; in the old, calcium lies in it in grains and strips.

    Args:
        paint: the tissue map.
        spine: gives the midline and the person's scale.
        ends: front ends of the ribs, see `add_ribs`.
        calcified: 0..1, how much calcium.
    """
    middle = spine.level(13).place.centre_mm
    for end in ends:
        front = np.array([middle[0] + (end[0] - middle[0]) * 0.35, end[1] + 16, end[2] + 12])
        for part in tube([end, front], 5 * spine.scale):
            box, depth = evaluate(part, paint.frame)
            paint.depth(box, depth, Tissue.CARTILAGE, 1.0)
            if calcified:
                grains = (depth > -0.3) & (paint.marbling[box] > 2.4 - 2.6 * calcified)
                paint.tissue[box][grains & (depth < 2.2)] = Tissue.CALCIUM
                paint.tissue[box][grains & (depth >= 2.2)] = Tissue.CALCIFIED
