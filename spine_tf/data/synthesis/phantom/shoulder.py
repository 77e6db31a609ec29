"""Builds shoulder girdle and arms, raised beside the head or lying beside the trunk: bones, and flesh around them."""

from dataclasses import dataclass

import numpy as np

from spine_tf.data.synthesis.phantom.boards import sheet
from spine_tf.data.synthesis.phantom.bones import Bones, make_tubular, merge_parts
from spine_tf.data.synthesis.phantom.paint import Painter
from spine_tf.data.synthesis.phantom.shapes import capsule, ellipsoid, shifted, tube
from spine_tf.data.synthesis.phantom.spine import Spine
from spine_tf.data.synthesis.phantom.trunk import Trunk

SCAPULA, CLAVICLE, HUMERUS, FOREARM = 152, 154, 156, 158
"""Owners of bones that have no VerSe id, each followed by that of the right side; a forearm's two bones by two more."""

POSES = ("up", "down", "folded")


@dataclass(frozen=True)
class Arm:
    """Holds where one arm lies: side (-1 left, 1 right), whether it is raised, and its joints, (3,) mm each."""

    side: int
    raised: bool
    shoulder: np.ndarray
    elbow: np.ndarray
    wrist: np.ndarray


def draw_arms(rng: np.random.Generator, spine: Spine, trunk: Trunk) -> list[Arm]:
    """Draw both arms, left first: above the head in most scans, else beside the trunk or on the belly.

    In a few scans each arm has a pose of its own.
    """
    scale = spine.scale
    pose = str(rng.choice(POSES, p=[0.5, 0.3, 0.2]))
    x, _, z = spine.level(9).place.centre_mm
    back_y = trunk.at(trunk.cage_centre, z)[1]
    half = float(trunk.at(trunk.skin, z)[0])
    arms = []
    for side in (-1, 1):
        mine = str(rng.choice(POSES)) if rng.random() < 0.1 else pose
        if mine == "up":
            joint = np.array([x * 0.5 + side * (half - 52), back_y + rng.uniform(-5, 20), z + 18 * scale])
            way = np.array([side * rng.uniform(-0.15, 0.5), rng.uniform(0.0, 0.5), 1.0])
            elbow = joint + way / np.linalg.norm(way) * 300 * scale
            wrist = shifted(elbow, -side * rng.uniform(60, 180), rng.uniform(-20, 80), rng.uniform(-40, 180), scale)
        else:
            joint = np.array([x * 0.5 + side * (half - 40), back_y - rng.uniform(0, 15), z - 4 * scale])
            low = joint[2] - 300 * scale
            at_x = side * (_widest(trunk, low - 30, joint[2] - 90) + rng.uniform(48, 66) * scale)
            elbow = np.array([at_x, joint[1] - rng.uniform(5, 30), low])
            if mine == "down":
                end_z = low - 240 * scale
                aside = _widest(trunk, end_z - 20, low) + 45 * scale
                wrist = np.array([side * aside, joint[1] + rng.uniform(0, 60), end_z])
            else:
                front = trunk.at(trunk.skin_centre, low)[1] + trunk.at(trunk.skin, low)[1]
                wrist = np.array([side * rng.uniform(20, 90), front + 35 * scale, low + rng.uniform(-70, 60)])
        arms.append(Arm(side, mine == "up", joint, elbow, wrist))
    return arms


def _widest(trunk: Trunk, low_z: float, high_z: float) -> float:
    heights = np.linspace(low_z, high_z, 9)
    return float((trunk.at(trunk.skin, heights)[0]).max())


def add_shoulders(bones: Bones, spine: Spine, trunk: Trunk, arms: list[Arm]) -> None:
    """Merge shoulder blades and collar bones, placed by the rib cage and by the arms' joints.

    Args:
        bones: changed in place.
        spine: gives heights and the person's scale.
        trunk: the rib cage that the blades lie on.
        arms: see `draw_arms`.
    """
    scale = spine.scale
    top, low = (spine.level(label).place.centre_mm[2] for label in (9, 15))
    cx = float(trunk.at(trunk.cage_centre, top)[0])
    half_x, half_y = (float(h) for h in trunk.at(trunk.cage, (top + low) / 2))
    front_y = float(trunk.at(trunk.cage_centre, top)[1] + trunk.at(trunk.cage, top)[1])
    for arm in arms:
        side, joint, owner = arm.side, arm.shoulder, SCAPULA + (arm.side > 0)
        wide, lift = half_x + 13, 14 * scale if arm.raised else 0.0

        def middle(x, z, wide=wide):
            across = np.minimum(np.abs(x - cx) / wide, 0.95)
            centre = trunk.at(trunk.cage_centre, z)[1]
            return (centre - (half_y + 11) * np.sqrt(1 - across * across)).astype(np.float32)

        def half_thick(x, z, inside):
            return np.float32(1.6) + 3 * np.exp(-np.maximum(inside, 0) / 4)

        swing = 0.16 if arm.raised else 0.0
        reach = [0.46, 0.5, 0.56 + swing, 0.72 + swing, 0.92, 0.94, 0.78]
        height = [top + 12 + lift, top - 45, low - 6 + lift, low + 10 + lift, top - 62, top - 14, top + 6 + lift]
        contour = np.column_stack([cx + side * np.multiply(reach, wide), height])
        y_low = float(middle(np.float32(cx), np.float32(low))) - 20
        corners = (np.insert(contour.min(0), 1, y_low), np.insert(contour.max(0), 1, y_low + half_y + 60))
        blade = sheet(1, *corners, middle, half_thick, contour)

        def on_blade(k, behind, middle=middle, contour=contour):
            x, z = np.float32(contour[k])
            return np.array([x, float(middle(x, z)) - behind, z])

        socket = shifted(joint, -side * 27, -6, 2, scale)
        roof = shifted(joint, side * 6, -18, 30, scale)
        beak = ((-side * 22, 22, 20), (-side * 12, 34, 8))
        ridge = shifted(on_blade(1, 6), side * 4, 0, 18)
        shapes = [
            blade,
            capsule(on_blade(5, 0), socket, 6, 10 * scale),
            ellipsoid(socket, np.array([6, 12, 17]) * scale),
            *tube([ridge, (ridge + roof) / 2 + (0, -12, 8), roof], [2.5, 4, 7], (1, 1, 1.5)),
            capsule(roof, shifted(joint, side * 2, 6, 31, scale), 7, 6, (1.2, 1.2, 0.7)),
            *tube([shifted(socket, 0, 6, 14), *(shifted(joint, *way, scale) for way in beak)], 5),
            capsule(on_blade(2, 0), on_blade(4, 0), 4, 5),
        ]
        merge_parts(bones, shapes, owner, 2.0)
        inner = np.array([cx + side * 20 * scale, front_y - 2, top - 10])
        bend = [
            inner,
            shifted(inner, side * 45, 6, 10, scale),
            (inner + 2 * roof) / 3 + (0, -4, 6),
            shifted(joint, side * 2, 10, 34, scale),
        ]
        bones.add_shapes(tube(bend, np.array([10, 6.5, 6, 7]) * scale), CLAVICLE + (side > 0), gap_mm=2.0)


def add_arms(bones: Bones, spine: Spine, arms: list[Arm]) -> None:
    """Merge upper arm, ulna and radius of both sides into `bones`, in the person's scale."""
    scale = spine.scale
    for arm in arms:
        along = (arm.elbow - arm.shoulder) / np.linalg.norm(arm.elbow - arm.shoulder)
        knob = shifted(arm.shoulder, arm.side * 12, 4, -4, scale)
        owner = HUMERUS + (arm.side > 0)
        start = arm.shoulder + along * 55 * scale
        parts = [
            ellipsoid(arm.shoulder, np.full(3, 23.0 * scale)),
            ellipsoid(knob, np.array([15, 17, 19]) * scale),
            capsule(arm.shoulder + along * 12 * scale, start, 21 * scale, 12 * scale),
            capsule(start, arm.elbow - along * 40, 12 * scale, 10 * scale),
            capsule(arm.elbow - along * 40, arm.elbow - along * 6, 10 * scale, 14 * scale, (1.7, 1, 1)),
        ]
        merge_parts(bones, parts, owner, 2.5)
        make_tubular(bones, owner, start, arm.elbow - along * 30, 4.0 * scale)
        apart = np.array([11 * scale * arm.side, 4, 0])
        for k, sign in enumerate((-1, 1)):
            first, last = arm.elbow + sign * apart, arm.wrist + sign * apart
            owner = FOREARM + 2 * k + (arm.side > 0)
            rods = tube([first, first * 0.75 + last * 0.25, last], np.array([10, 6.5, 7]) * scale)
            bones.add_shapes(rods, owner, gap_mm=2.0)
            make_tubular(bones, owner, first * 0.8 + last * 0.2, first * 0.1 + last * 0.9, 3.0 * scale)


def paint_arms(paint: Painter, spine: Spine, trunk: Trunk, arms: list[Arm]) -> None:
    """Paint skin, fat and muscles of the arms where there was air; stout trunks have stout arms."""
    scale, fat = spine.scale, float(np.clip(np.mean(trunk.fat_mm) * 0.45, 3, 14))
    for arm in arms:
        upper, lower = arm.shoulder * 0.5 + arm.elbow * 0.5, arm.elbow * 0.7 + arm.wrist * 0.3
        points = [arm.shoulder, upper, arm.elbow, lower, arm.wrist]
        paint.limb(points, np.array([52, 41, 37, 38, 26]) * scale + fat * 0.7, fat)
