"""Paints the chest: heart with its chambers, gullet, windpipe, great vessels down to the groin, sick lungs."""

import numpy as np

from spine_tf.data.synthesis.phantom.paint import Painter
from spine_tf.data.synthesis.phantom.shapes import ellipsoid, evaluate, shifted, tube
from spine_tf.data.synthesis.phantom.smoothing import smooth_noise
from spine_tf.data.synthesis.phantom.spine import Spine, along_spine
from spine_tf.data.synthesis.phantom.tissue import Tissue


def paint_chest(paint: Painter, spine: Spine, diaphragm_z: float, calcified: float) -> None:
    """Paint heart, windpipe and gullet; now and then fluid or dense tissue in the lungs, calcified lymph nodes.

    Args:
        paint: the tissue map; its `rng` draws what is painted.
        spine: gives places and the person's scale.
        diaphragm_z: height of the diaphragm in mm.
        calcified: 0..1, how much calcium.
    """
    inside, rng, scale = paint.cavity, paint.rng, spine.scale
    heart = spine.level(15).place.centre_mm * [0.7, 1, 1] + np.array([-28, 78, 0]) * scale
    heart[2] = max(heart[2], diaphragm_z + 30)

    def part(shift, radii, tissue, rough=2.0, over=inside):
        paint.shape(ellipsoid(shifted(heart, *shift, scale), np.array(radii) * scale), tissue, rough, over=over)

    _paint_sick_lungs(paint, spine, diaphragm_z)
    part((0, 0, 0), (62, 50, 55), Tissue.FAT)
    part((0, 0, 0), (56, 44, 50), Tissue.SOFT)
    for shift, radii, tissue in (
        ((-16, 4, -10), (23, 21, 32), Tissue.HEART),
        ((14, -24, 16), (28, 17, 22), Tissue.HEART),
        ((8, 24, -8), (30, 16, 30), Tissue.RIGHT_HEART),
        ((34, 4, 2), (18, 22, 30), Tissue.RIGHT_HEART),
    ):
        part(shift, radii, tissue, over=None)
    trunk = [shifted(heart, 2, 30, 24, scale), shifted(heart, -6, 14, 50, scale)]
    paint.tube(trunk, 13 * scale, Tissue.RIGHT_HEART)
    for side in (-1, 1):
        branch = [shifted(heart, side * 20 + 12, -12, 52, scale), shifted(heart, side * 52 + 14, -18, 44, scale)]
        paint.tube([trunk[1], *branch], np.array([10, 9, 6]) * scale, Tissue.RIGHT_HEART)
    if rng.random() < calcified:
        for _ in range(int(rng.integers(1, 5))):
            start = heart + rng.normal(0, 1, 3) * (25, 12, 10) + (0, 18, 18)
            paint.tube([start, start + rng.normal(0, 14, 3)], rng.uniform(1, 2.2), Tissue.CALCIUM)
    _paint_airways(paint, spine)
    if rng.random() < 0.12:
        for _ in range(int(rng.integers(1, 6))):
            spot = shifted(heart, rng.uniform(-35, 50), rng.uniform(-45, 0), rng.uniform(30, 80), scale)
            node = ellipsoid(spot, rng.uniform(2.5, 7, 3))
            paint.shape(node, Tissue(rng.choice([Tissue.CALCIFIED, Tissue.CALCIUM])), 1.0)


def _paint_airways(paint: Painter, spine: Spine) -> None:
    rng, scale = paint.rng, spine.scale
    gullet, windpipe = [], []
    for level in along_spine(spine, 4, 17):
        x, y, z = level.place.centre_mm
        front = y + level.size["depth"] / 2
        gullet.append([z, x - 6, front + 8, 8 * scale, 6 * scale])
        if level.row <= 11:
            windpipe.append([z, x * 0.8, front + 21 * scale, 9 * scale, 8.5 * scale])
    paint.column(gullet, Tissue.SOFT, 1.0)
    filling = rng.choice(["none", "gas", "contrast", "tube"], p=[0.62, 0.22, 0.1, 0.06])
    if filling != "none":
        kind = {"gas": Tissue.GAS, "contrast": Tissue.ORAL_CONTRAST, "tube": Tissue.CALCIUM}[str(filling)]
        first, last = sorted(rng.integers(0, len(gullet), 2))
        inner = np.array(gullet[first : last + 2])
        inner[:, 3:] = [1.8, 1.8] if filling == "tube" else inner[:, 3:] * rng.uniform(0.35, 0.75)
        paint.column(inner, kind, 0.3 if filling == "tube" else 1.0)
    paint.column(windpipe, Tissue.GAS, 0.4, rim=Tissue.SOFT, rim_mm=1.2)
    low = windpipe[-1]
    for side, far in ((-1, 48), (1, 40)):
        start = (low[1], low[2], low[0])
        end = (low[1] + side * far * scale, low[2] - 8, low[0] - 30 * scale)
        paint.tube([start, end], [7.5 * scale, 5 * scale], Tissue.GAS, Tissue.SOFT, 1.2)
    throat = [one.beside(0, 24 * scale, 12 * scale, 7 * scale) for one in along_spine(spine, 0, 4)]
    paint.column(throat, Tissue.GAS, 1.5, rim=Tissue.SOFT, rim_mm=3)


def _paint_sick_lungs(paint: Painter, spine: Spine, diaphragm_z: float) -> None:
    rng = paint.rng
    fluid, dense = rng.random() < 0.1, rng.random() < 0.07
    if not (fluid or dense):
        return
    lung = (paint.tissue == Tissue.LUNG) | (paint.tissue == Tissue.VESSEL)
    if fluid:
        # Lying on the back, the fluid gathers behind.
        level = spine.level(15).place.centre_mm[1] + rng.uniform(-45, 5)
        one_side = rng.choice([-1, 0, 1])
        x, y, z = (paint.frame.axis_mm(axis) for axis in range(3))
        low = (y + (z - np.float32(diaphragm_z)) * np.float32(0.12) < level) & ((x * one_side >= 0) | (one_side == 0))
        paint.tissue[lung & low] = Tissue.FLUID
    if dense:
        patches = smooth_noise(rng, paint.frame, 28.0) + 0.5 * paint.wobble
        paint.tissue[lung & (patches > rng.uniform(0.9, 1.9))] = Tissue.SOFT


def paint_vessels(paint: Painter, spine: Spine, calcified: float) -> None:
    """Paint the aorta with its branches and calcified wall, the great veins, iliac and neck vessels.

    Args:
        paint: the tissue map; its `rng` draws what is painted.
        spine: gives places and the person's scale.
        calcified: 0..1, how much calcium; old arteries also wind.
    """
    scale, rng = spine.scale, paint.rng

    def beside(row_label, right, front):
        level = spine.level(row_label)
        x, y, z = level.place.centre_mm
        return np.array([x + right * scale, y + level.size["depth"] / 2 + front * scale, z])

    def low(x, y, z):
        return shifted((0, 0, 0), x, y, z, scale)

    wide = scale * rng.uniform(0.85, 1.25)
    down = [
        beside(label, right, front)
        for label, right, front in (
            (12, -20, 2), (14, -20, 4), (16, -16, 7), (18, -9, 10), (20, -7, 12), (22, -7, 13), (23, -4, 13),
        )
    ]  # fmt: skip
    # Old arteries wind, and some widen below the kidneys.
    down = [point + rng.normal(0, 1 + 5 * calcified, 3) * (1, 0.4, 0) for point in down]
    swell = 1 + (rng.uniform(0.3, 1.2) if rng.random() < 0.1 * (0.3 + calcified) else 0)
    arch = [beside(14, 14, 60), beside(12, 14, 58), beside(11, 8, 46), beside(11, -10, 28), down[0]]
    cava = [beside(label, 17, front) for label, front in ((23, 10), (21, 11), (20, 14), (18, 22), (16, 38))]
    fork = shifted(down[-1], 0, 0, -18)
    arteries = [(arch + down[1:], np.r_[15, 15, 14, 13, 12.5, 12.5, 12, 11, 10, 9 * swell, 8.5] * wide)]
    veins = [(cava, np.r_[10, 11, 12, 12, 12] * wide)]
    upper = ([beside(9, 20, 35), beside(13, 24, 50)], [8, 10])
    kidney = spine.level(20).place.centre_mm
    bowel = [down[4], shifted(down[4], 0, 35 * scale, -20), shifted(down[6], 6, 38 * scale, -10)]
    arteries.append((bowel, [4, 3.5, 3]))
    spleen = shifted(spine.level(19).place.centre_mm, -75 * scale, 15, 5)
    arteries.append(([down[4], shifted(down[4], -30, 32, 12), spleen], [3.5, 3, 2.5]))
    for side in (-1, 1):
        iliac = ((28, 30, -25), (56, 26, -85), (78, 62, -130), (88, 62, -210))
        arteries.append(([fork, *(low(side * x, y, z) for x, y, z in iliac)], [7, 6, 5.5, 5, 4.5]))
        arteries.append(([low(side * 36, 28, -38), low(side * 48, -22, -95)], [4, 3]))
        iliac = ((24, 20, -30), (52, 12, -90), (66, 58, -134), (76, 58, -210))
        veins.append(([cava[0], *(low(side * x, y, z) for x, y, z in iliac)], [8, 7, 7, 6, 5.5]))
        arteries.append(([down[4], shifted(kidney, side * 50 * scale, 2, 0)], [3, 3]))
        veins.append(([shifted(cava[2], 0, 4, 0), shifted(kidney, side * 50 * scale, 8, -4)], [4.5, 4]))
        neck = [arch[2], beside(8, side * 14, 28), beside(5, side * 26, 14), beside(3, side * 27, 10)]
        arteries.append((neck, [4.5, 4, 3.5, 3]))
        arteries.append(([neck[1], beside(9, side * 70, 15), beside(10, side * 130, 0)], [4.5, 4, 3.5]))
        veins.append(([upper[0][0], beside(7, side * 28, 18), beside(3, side * 32, 8)], [6, 6, 4.5]))
    for points, radii in veins:
        paint.tube(points, radii, Tissue.VEIN)
    inflow = int(rng.choice([-1, 1]))
    paint.tube(*upper, Tissue.INFLOW)
    paint.tube([upper[0][0], beside(8, inflow * 40, 30), beside(9, inflow * 110, 5)], [6, 5, 4.5], Tissue.INFLOW)
    patches = smooth_noise(rng, paint.frame, 9.0) if calcified > 0 else None
    thick = rng.uniform(1.0, 2.6)
    for points, radii in arteries:
        for one in tube(points, radii):
            box, depth = evaluate(one, paint.frame)
            paint.depth(box, depth, Tissue.ARTERY, 0.3)
            if patches is not None:
                wall = (depth > -0.4) & (depth < thick) & (patches[box] > 2.6 - 2.3 * calcified)
                paint.tissue[box][wall] = Tissue.CALCIUM
