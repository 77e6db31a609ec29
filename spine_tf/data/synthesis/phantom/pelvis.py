"""Builds sacrum and coccyx, hip bones and thighs: background in training, and most easily taken for spine."""

import numpy as np

from spine_tf.data.synthesis.phantom.boards import plate, sheet
from spine_tf.data.synthesis.phantom.bones import Bones, blend_part, brighten, make_tubular, merge_parts
from spine_tf.data.synthesis.phantom.carved import ball, bowl, minus
from spine_tf.data.synthesis.phantom.shapes import (
    Placement,
    block,
    capsule,
    depth_in,
    ellipsoid,
    evaluate,
    rotation,
    shifted,
)
from spine_tf.data.synthesis.phantom.spine import Spine
from spine_tf.scans.labels import SACRUM

HIP, FEMUR, COCCYX = 140, 142, 144
"""Owners of bones that have no VerSe id; a hip's or femur's is followed by that of the right side."""

HIP_CENTRE = np.array([88.0, 14.0, -112.0])
"""Middle of the femoral head in mm from the top of the sacrum, for a person of scale 1; x to the side."""

# Contour of the ilium seen from the side (y, z), from the rear spine over the crest to the front spine and back
# above the hip joint and the sciatic notch; and where it lies (x) at three heights over y.
_ILIUM = ((-66, -30), (-62, -8), (-48, 12), (-26, 28), (2, 34), (28, 22), (46, -8), (52, -28), (44, -44), (46, -62),
          (36, -96), (16, -112), (-8, -104), (-14, -82), (-24, -64), (-44, -60), (-60, -52))  # fmt: skip
_ILIUM_Y = (-70, -52, -34, -14, 8, 30, 52)
_ILIUM_X = ((25, (46, 56, 74, 96, 114, 124, 127)), (-25, (48, 56, 68, 84, 102, 116, 124)),
            (-95, (58, 62, 66, 72, 82, 92, 98)))  # fmt: skip


def add_sacrum(bones: Bones, spine: Spine, rng: np.random.Generator) -> None:
    """Merge the sacrum, five shrinking segments on a curve with wings, crest and open canal, and the coccyx.

    Args:
        bones: changed in place.
        spine: where and how large the sacrum is.
        rng: draws how much sacrum and coccyx are bent.
    """
    last, place, parts = spine.levels[-1].size, spine.sacrum, []
    turn, point = place.rotation, place.centre_mm
    bend = rng.uniform(9, 16)
    for k in range(5):
        scale = 1 - 0.155 * k
        width, depth, height = last["width"] * scale, last["depth"] * 0.92 * scale * (1 - 0.1 * k), 29 * scale
        down = Placement(point - turn[:, 2] * height / 2, turn)
        shapes = [block((0, 0, 0), (width * 0.5, depth * 0.5, height * 0.52), 5.0)]
        for side in (-1, 1):
            # The wings are broad beside S1 and S2, where the hip bones are joined on.
            wide = (0.56, 0.52, 0.42, 0.4, 0.38)[k]
            wing = (side * width * (0.5 + wide * 0.35), -depth * 0.28, height * (0.02 if k == 0 else -0.05))
            shapes.append(block(wing, (width * wide, depth * (0.56 - 0.05 * k), height * 0.66), 7.0))
            lamina = (side * width * 0.3, -depth * 0.5 - 13 * scale, -height * 0.1)
            shapes.append(plate(lamina, (0, -depth * 0.5 - 18 * scale, -height * 0.2), 12 * scale, (3.4, 3.2), 2))
            knob = (side * width * 0.36, -depth * 0.5 - 13 * scale, -height * 0.15)
            shapes.append(ellipsoid(knob, np.array([5.0, 5.5, 9.0]) * scale))
        crest = (0, -depth * 0.5 - 19 * scale, -height * 0.2)
        shapes.append(capsule(crest, np.add(crest, (0, -7 * scale, -2)), 3.5, 3.0, (1, 1, 2 * scale)))
        parts += [(shape, down, width, depth) for shape in shapes]
        point = point - turn[:, 2] * height
        turn = _leaned(turn, bend)
    for shape, down, width, depth in parts:
        box, value = evaluate(shape, bones.frame, down)
        holes = [capsule((0, -depth * 0.5 - 8, 40), (0, -depth * 0.5 - 6, -40), 6.5, 5.5, (width / 32, 1, 1))]
        # The foramina lie between the segments: at the upper end of each.
        holes += [capsule((s * width * 0.46, 30, -14), (s * width * 0.42, -60, -14), 5.0, 4.5) for s in (-1, 1)]
        for hole in holes:
            value = np.minimum(value, -depth_in(hole, bones.frame, down, box))
        blend_part(bones, box, value, SACRUM, 1.5, 3.0)
    tail = [point + turn @ (0, 2, -3)]
    for k in range(3):
        turn = _leaned(turn, rng.uniform(-30, -8))
        tail.append(tail[-1] - turn[:, 2] * (9 - k))
    for k in range(3):
        rod = capsule(tail[k], tail[k + 1], 4.5 - k, 4.0 - k, (1.5, 1, 1))
        bones.add_shapes([rod], COCCYX if k == 0 else COCCYX + k % 2, gap_mm=1.0)


def add_pelvis(bones: Bones, spine: Spine, rng: np.random.Generator, sclerosis_hu: float = 0.0) -> None:
    """Merge both hip bones and the upper parts of the femora.

    Args:
        bones: changed in place.
        spine: gives the person's scale; hips are placed from the top of the sacrum.
        rng: draws width, depth and thickness of the hip bones, and the femora.
        sclerosis_hu: added to spongy bone beside hip and sacroiliac joints.
    """
    scale = spine.scale
    flare, deep = rng.uniform(0.92, 1.08), rng.uniform(0.92, 1.08)
    hip = HIP_CENTRE * (flare, 1, 1) * scale
    thin = rng.uniform(2.2, 3.6)
    contour = np.array(_ILIUM, float) * [deep, 1] * scale
    for side in (-1, 1):
        joint = hip * (side, 1, 1)

        def at(x, y, z, side=side):
            return shifted((0, 0, 0), side * x * flare, y, z, scale)

        def middle(y, z, side=side):
            along = np.multiply(_ILIUM_Y, scale * deep)
            upper, amid, lower = (np.interp(y, along, np.multiply(x, scale * flare)) for _, x in _ILIUM_X)
            low = np.clip((z / scale + 25) / -70, 0, 1)
            high = np.clip((z / scale + 25) / 50, 0, 1)
            return np.float32(side) * (amid + (upper - amid) * high + (lower - amid) * low).astype(np.float32)

        def half_thick(y, z, inside):
            rear = np.clip((-22 * scale - y) / (30 * scale), 0, 1)
            low = np.clip((-60 * scale - z) / (30 * scale), 0, 1)
            return np.float32(thin) + 3.5 * np.exp(-np.maximum(inside, 0) / 5) + 5.5 * rear + 6.5 * low

        span = sorted((side * 30 * scale, side * 142 * scale * flare))
        low, high = (span[0], *contour.min(0)), (span[1], *contour.max(0))
        merge_parts(bones, [sheet(0, low, high, middle, half_thick, contour)], HIP + (side > 0), 2.0)
        others = [
            capsule(shifted(joint, side * 2, 4, 8), at(52, 50, -112), 11, 8.5, (1, 1, 1.1)),
            capsule(at(52, 50, -112), at(15, 62, -128), 8, 8, (1, 1, 1.3)),
            capsule(at(9.5, 63, -120), at(9.5, 60, -142), 7.5, 7, (1, 1.3, 1)),
            capsule(at(13, 58, -144), at(48, 14, -172), 6.5, 7, (1, 1.2, 1)),
            capsule(shifted(joint, -side * 6, -16, -14), at(64, -10, -162), 16, 15),
            capsule(at(64, -12, -160), at(48, 12, -172), 14, 8),
            capsule(shifted(joint, -side * 12, -18, -8), at(72, -34, -96), 8, 3),
        ]
        cup = bowl(joint, 33 * scale, 26 * scale, (side * 0.76, 0.3, -0.58), 7 * scale)
        head = ball(joint, 25.5 * scale)
        merge_parts(bones, [cup, *(minus(one, head) for one in others)], HIP + (side > 0), 2.0)
        _add_femur(bones, joint, side, scale, rng)
        if sclerosis_hu:
            for spot, radii in ((shifted(joint, 0, 0, 24 * scale), (22, 18, 8)), (at(62, -32, -30), (10, 20, 26))):
                brighten(bones, ellipsoid(spot, radii), sclerosis_hu)


def _add_femur(bones: Bones, joint, side: int, scale: float, rng) -> None:
    def at(x, y, z):
        return shifted(joint, side * x, y, z, scale)

    neck, shaft = rng.uniform(0.9, 1.1), rng.uniform(12.5, 15)
    owner = FEMUR + (side > 0)
    merge_parts(bones, [ellipsoid(joint, np.full(3, 23.5 * scale))], owner, 2.5)
    knee = at(30, 2, -420)
    parts = [
        capsule(joint, at(44 * neck, -6, -32), 15 * scale, 15 * scale, (1, 0.95, 1.15)),
        ellipsoid(at(54 * neck, -12, -24), np.array([14, 18, 20]) * scale),
        ellipsoid(at(34 * neck, -20, -58), np.array([10, 10, 12]) * scale),
        capsule(at(46 * neck, -8, -36), at(46 * neck, -2, -90), 17 * scale, shaft * scale),
        capsule(at(46 * neck, -2, -90), knee, shaft * scale, shaft * scale),
    ]
    merge_parts(bones, parts, owner, 2.5)
    make_tubular(bones, owner, at(46 * neck, -2, -75), knee, 5.5 * scale)


def _leaned(turn: np.ndarray, degrees: float) -> np.ndarray:
    """A placement's rotation leaned further back, so that the front of the sacrum is hollow."""
    return turn @ rotation(-np.radians(degrees), 0.0, 0.0)
