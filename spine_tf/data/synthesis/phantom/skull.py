"""Builds the head: skull with base and face, lower jaw and teeth, hyoid bone; brain, air and the voice box."""

import numpy as np

from spine_tf.data.synthesis.phantom.boards import plate
from spine_tf.data.synthesis.phantom.bones import Bones, brighten, merge_parts
from spine_tf.data.synthesis.phantom.carved import crust, minus
from spine_tf.data.synthesis.phantom.paint import Painter
from spine_tf.data.synthesis.phantom.shapes import block, capsule, ellipsoid, evaluate, shifted, tube
from spine_tf.data.synthesis.phantom.spine import Spine
from spine_tf.data.synthesis.phantom.tissue import Tissue

SKULL, MANDIBLE, HYOID, TEETH = 150, 151, 162, 163
"""Owners of bones that have no VerSe id."""


def head_origin(spine: Spine) -> np.ndarray:
    """Return the middle of the foramen magnum, (3,) in mm, from which the head's own coordinates start."""
    top = spine.levels[0]
    return top.place.centre_mm + np.array([0, -top.size["canal_depth"] * 0.55, 15.0 * spine.scale])


def add_skull(bones: Bones, spine: Spine, rng: np.random.Generator) -> None:
    """Merge a hollow skull that C1 carries, with its base and face, the lower jaw, teeth and hyoid bone.

    Args:
        bones: changed in place; nothing is drawn where the head lies outside of the frame.
        spine: gives the head's place and scale.
        rng: draws thickness, the nose's septum, how far the mouth is open, and missing teeth.
    """
    zero, scale = head_origin(spine), spine.scale**0.5
    reach = np.array([100, 140, 190]) * scale
    box = bones.frame.box(zero - reach, zero + reach)
    if not bones.depth_mm[box].size:
        return

    def at(x, y, z):
        return shifted(zero, x, y, z, scale)

    def ball(x, y, z, rx, ry, rz):
        return ellipsoid(at(x, y, z), np.array([rx, ry, rz]) * scale)

    thick = rng.uniform(5.5, 8.5)
    vault = ball(0, 22, 62, 74, 94, 72)
    hole = capsule(at(0, 0, 30), at(0, -2, -30), 15 * scale, 15 * scale, (1, 1.15, 1))
    face = block(at(0, 96, -16), np.array([90, 58, 42]) * scale, 2.0)
    merge_parts(bones, [minus(minus(crust(vault, thick), hole), face)], SKULL, 2.0)
    parts = []
    for side in (-1, 1):
        parts += [
            ball(side * 17, 8, -3, 7, 12, 6.5),
            capsule(at(side * 22, 24, 8), at(side * 62, 2, 8), 11 * scale, 9 * scale),
            ball(side * 54, 4, -6, 10, 15, 20),
            capsule(at(side * 62, 26, 8), at(side * 60, 60, 4), 4, 3.5, (1, 1, 1.4)),
            *tube([at(side * 58, 62, 4), at(side * 44, 80, 0), at(side * 30, 88, -12)], [4.5, 6, 6], (1, 1, 1.6)),
            plate(at(side * 18, 52, 4), at(side * 18, 50, -24), 1.6, (9, 6), 0),
            capsule(at(side * 56, 70, 4), at(side * 50, 80, 40), 3.5, 4.0),
            capsule(at(side * 10, 94, 8), at(side * 12, 98, 36), 4, 4.5),
            plate(at(side * 14, 60, 14), at(side * 15, 88, 14), 1.3, (14, 14), 0),
        ]
    parts += [
        capsule(at(0, 22, 4), at(0, 42, 22), 8, 9, (1.5, 1, 1)),
        plate(at(0, 52, 28), at(0, 94, 34), 2.0, (40, 44), 2),
        plate(at(0, 48, -18), at(0, 84, -20), 2.0, (12, 20), 2),
        plate(at(rng.uniform(-3, 3), 56, 6), at(rng.uniform(-3, 3), 90, 2), 0.7, (20, 22), 0),
    ]
    merge_parts(bones, parts, SKULL, 1.5)
    arch = np.linspace(-1.25, 1.25, 15)
    upper = [at(26 * np.sin(a) * 1.05, 56 + 40 * np.cos(a), -26) for a in arch]
    merge_parts(bones, tube(upper, 5.0, (1, 1, 1.5)), SKULL, 1.5)
    for side in (-1, 1):
        brighten(bones, capsule(at(side * 22, 24, 8), at(side * 58, 6, 8), 10 * scale, 9 * scale), 650)
    _add_jaw(bones, at, rng)


def _add_jaw(bones: Bones, at, rng) -> None:
    open_mm = rng.uniform(0, 10)
    shapes, corner = [], []
    for side in (-1, 1):
        angle, joint = at(side * 46, 34, -50 - open_mm * 0.4), at(side * 50, 26, -2)
        corner.append(angle)
        shapes += [capsule(joint, angle, 6, 7, (0.8, 1.6, 1)), ellipsoid(joint, (9, 5, 6))]
        shapes.append(capsule(at(side * 49, 50, 0), angle, 3.5, 6, (0.7, 1.4, 1)))
    body = [corner[0], at(-34, 66, -60 - open_mm), at(-14, 88, -64 - open_mm), at(0, 92, -65 - open_mm)]
    body += [at(14, 88, -64 - open_mm), at(34, 66, -60 - open_mm), corner[1]]
    merge_parts(bones, shapes + tube(body, 6.5, (0.9, 0.9, 1.9)), MANDIBLE, 1.5)
    missing = rng.choice([0.0, 0.15, 0.9], p=[0.5, 0.35, 0.15])
    for row, (height, radius, front) in enumerate(((-33, 25.5, 57), (-43 - open_mm, 24, 55))):
        for a in np.linspace(-1.2, 1.2, 14):
            if rng.random() < missing:
                continue
            foot = at(radius * 1.05 * np.sin(a), front + 38 * np.cos(a), height)
            size = 3.2 + 1.3 * abs(a)
            root = foot + np.array([0, -2, 8.0 if row == 0 else -8.0])
            bones.add_shapes([capsule(root, foot, size * 0.6, size)], TEETH + row, gap_mm=0.4)
            brighten(bones, ellipsoid(foot, (6, 6, 6)), 1100, soft_mm=2.0)
    hyoid = [at(x, y, -72) for x, y in ((-22, 40), (-14, 56), (0, 62), (14, 56), (22, 40))]
    bones.add_shapes(tube(hyoid, [2, 3, 4, 3, 2]), HYOID, gap_mm=1.0)


def paint_head(paint: Painter, spine: Spine) -> None:
    """Paint brain, eyes and tongue, air in nose, sinuses and mastoids, the voice box (calcified in most), thyroid."""
    zero, scale, rng = head_origin(spine), spine.scale**0.5, paint.rng
    body = paint.tissue > 0

    def ball(x, y, z, rx, ry, rz, tissue, rough=1.0, **more):
        shape = ellipsoid(shifted(zero, x, y, z, scale), np.array([rx, ry, rz]) * scale)
        paint.shape(shape, tissue, rough, over=body, **more)

    ball(0, 22, 62, 67, 87, 65, Tissue.BRAIN, 0.5)
    ball(0, 70, -38, 26, 32, 20, Tissue.MUSCLE, 2.0)
    ball(0, 50, -4, 13, 42, 16, Tissue.GAS, 2.0)
    ball(0, 92, 40, 22, 7, 12, Tissue.GAS, 2.0)
    for side in (-1, 1):
        sinus = Tissue.GAS if rng.random() < 0.8 else Tissue.FLUID
        ball(side * 30, 68, -6, 13, 17, 15, sinus, 1.5)
        ball(side * 32, 80, 22, 13, 13, 13, Tissue.FLUID, 0.3, rim=Tissue.FAT, rim_mm=1.5)
        ball(side * 52, 2, -4, 6, 9, 13, Tissue.GAS, 3.0)
        ball(side * 52, 40, -34, 14, 22, 20, Tissue.SOFT, 2.0)
    throat = spine.level(5).place.centre_mm
    front = throat[1] + spine.level(5).size["depth"] / 2
    calcium = rng.random()
    for side in (-1, 1):
        wing = [(throat[0] + side * 17, front + 16, throat[2] + 6), (throat[0] + side * 4, front + 38, throat[2] - 2)]
        wing += [(throat[0] + side * 16, front + 14, throat[2] - 16)]
        for part in tube(wing, 1.8, (1, 1, 5)):
            box, depth = evaluate(part, paint.frame)
            paint.depth(box, depth, Tissue.CARTILAGE, 0.2, over=body)
            hard = (depth > -0.2) & (paint.wobble[box] > 1.2 - 2.5 * calcium) & body[box]
            paint.tissue[box][hard] = Tissue.CALCIFIED
        thyroid = ellipsoid((throat[0] + side * 18, front + 12, throat[2] - 40), np.array([9, 11, 24]) * scale)
        paint.shape(thyroid, Tissue.THYROID, 1.5, over=body)
