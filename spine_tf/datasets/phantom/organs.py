"""What else lies in the trunk: organs, bowel, heart, vessels, the inside of the head; and the table below."""

import numpy as np

from spine_tf.datasets.phantom.paint import Painter
from spine_tf.datasets.phantom.shapes import ellipsoid, evaluate, shifted, smooth_noise, tube
from spine_tf.datasets.phantom.spine import Spine, along_spine
from spine_tf.datasets.phantom.tissue import Tissue
from spine_tf.datasets.phantom.trunk import Trunk


def paint_organs(paint: Painter, spine: Spine) -> None:
    """Liver, spleen, kidneys, stomach, pancreas, bladder, bowel."""
    rng, inside = paint.rng, paint.cavity & (paint.tissue != Tissue.LUNG)

    def at(label, right, front, up=0.0):
        x, y, z = spine.level(label).place.centre_mm
        return np.array([x * 0.7 + right, y + front, z + up])

    def organ(centre, radii, tissue, **more):
        paint.shape(
            ellipsoid(centre, np.array(radii) * spine.scale * rng.uniform(0.9, 1.1, 3)), tissue, over=inside, **more
        )

    for _ in range(int(rng.integers(60, 110))):
        side = rng.choice([-1, 1])
        kind = [Tissue.BOWEL, Tissue.FLUID, Tissue.GAS, Tissue.STOOL, Tissue.ORAL_CONTRAST]
        content = rng.choice(kind, p=[0.33, 0.2, 0.22, 0.2, 0.05])
        colon = rng.random() < 0.35
        where = (
            (side * rng.uniform(85, 115), rng.uniform(-5, 70))
            if colon
            else (rng.uniform(-95, 95), rng.uniform(42, 130))
        )
        centre = at(int(rng.choice([21, 22, 23, 24])), *where, rng.uniform(-60, 25))
        organ(
            centre,
            rng.uniform(11, 25, 3) * (1.3 if colon else 1),
            Tissue(content),
            rough_mm=3.0,
            rim=Tissue.BOWEL,
            rim_mm=2.2,
        )
    organ(at(19, 78, 45, 10), (85, 85, 85), Tissue.LIVER, rough_mm=2.0)
    organ(at(19, 15, 75, 5), (75, 45, 45), Tissue.LIVER, rough_mm=2.0)
    organ(at(19, -88, 5, 5), (30, 42, 50), Tissue.SPLEEN)
    content = Tissue(rng.choice([Tissue.FLUID, Tissue.GAS, Tissue.STOOL, Tissue.ORAL_CONTRAST]))
    organ(at(19, -60, 65, -5), (42, 45, 55), content, rough_mm=2.5, rim=Tissue.BOWEL, rim_mm=4.0)
    for side in (-1, 1):
        kidney = at(20 if side < 0 else 21, side * 66, -12, 8)
        organ(kidney, (27, 25, 56), Tissue.KIDNEY, rough_mm=1.5)
        organ(shifted(kidney, -side * 14, 6, 0), (13, 12, 26), Tissue.FAT, rough_mm=2.0)
    organ(at(20, -15, 48, 5), (60, 12, 15), Tissue.SOFT, rough_mm=3.0)
    organ(np.array([0, 40, -125]), (42, 38, 34), Tissue.FLUID, rim=Tissue.MUSCLE, rim_mm=4.0)
    organ(
        np.array([0, -35, -130]),
        (24, 22, 50),
        Tissue(rng.choice([Tissue.STOOL, Tissue.GAS])),
        rim=Tissue.BOWEL,
        rim_mm=4.0,
    )


def paint_chest(paint: Painter, spine: Spine, diaphragm_z: float) -> None:
    """Heart, windpipe and gullet."""
    inside = paint.cavity
    heart = spine.level(15).place.centre_mm * [0.7, 1, 1] + [-28, 78, 0]
    heart[2] = max(heart[2], diaphragm_z + 30)
    paint.shape(ellipsoid(heart, np.array([62, 50, 55]) * spine.scale), Tissue.FAT, 2.0, over=inside)
    paint.shape(ellipsoid(heart, np.array([56, 44, 50]) * spine.scale), Tissue.SOFT, 2.0, over=inside)
    for shift, radii in (((-14, 8, -8), (22, 20, 30)), ((18, 14, -5), (20, 22, 28)), ((12, -20, 18), (26, 16, 22))):
        paint.shape(ellipsoid(heart + shift, np.array(radii) * spine.scale), Tissue.HEART, 2.0)
    gullet, windpipe = [], []
    for level in along_spine(spine, 4, 17):
        x, y, z = level.place.centre_mm
        front = y + level.size["depth"] / 2
        gullet.append([z, x - 6, front + 7, 8, 5])
        if level.row <= 11:
            windpipe.append([z, x * 0.8, front + 20, 9, 8.5])
    paint.column(np.array(gullet), Tissue.SOFT, 1.0)
    paint.column(np.array(windpipe), Tissue.GAS, 0.4, rim=Tissue.SOFT, rim_mm=1.2)
    low = windpipe[-1]
    for side, far in ((-1, 48), (1, 40)):
        start = (low[1], low[2], low[0])
        paint.tube([start, (low[1] + side * far, low[2] - 8, low[0] - 30)], [7.5, 5], Tissue.GAS, Tissue.SOFT, 1.2)
    throat = [
        [one.place.centre_mm[2], one.place.centre_mm[0], one.place.centre_mm[1] + 24, 12, 7]
        for one in along_spine(spine, 0, 4)
    ]
    paint.column(np.array(throat), Tissue.GAS, 1.5, rim=Tissue.SOFT, rim_mm=3)


def paint_vessels(paint: Painter, spine: Spine, calcified: float) -> None:
    """Aorta with its arch and calcified wall, great veins, iliac and neck vessels."""

    def beside(row_label, right, front):
        level = spine.level(row_label)
        x, y, z = level.place.centre_mm
        return np.array([x + right, y + level.size["depth"] / 2 + front, z])

    wide, rng = spine.scale * paint.rng.uniform(0.85, 1.25), paint.rng
    down = [
        beside(label, right, front)
        for label, right, front in (
            (12, -20, 2),
            (14, -20, 4),
            (16, -16, 7),
            (18, -9, 10),
            (20, -7, 12),
            (22, -7, 13),
            (23, -4, 13),
        )
    ]
    arch = [beside(13, 12, 62), beside(11, 10, 48), beside(11, -8, 28), down[0]]
    cava = [beside(label, 17, front) for label, front in ((23, 10), (21, 11), (20, 14), (18, 22), (16, 38))]
    fork = shifted(down[-1], 0, 0, -18)
    arteries = [(arch + down[1:], np.r_[15, 14, 13, 12.5, 12.5, 12, 11, 10, 9, 8.5] * wide)]
    veins = [(cava, np.r_[10, 11, 12, 12, 12] * wide)]
    veins.append(([beside(9, 18, 35), beside(13, 22, 50)], [8, 10]))
    for side in (-1, 1):
        arteries.append(([fork, (side * 28, 30, -25), (side * 58, 30, -90), (side * 74, 66, -140)], [7, 6, 5.5, 5]))
        veins.append(([cava[0], (side * 24, 20, -30), (side * 54, 16, -95), (side * 66, 62, -142)], [8, 7, 7, 6]))
        kidney = spine.level(20).place.centre_mm
        arteries.append(([down[4], shifted(kidney, side * 50, 2, 0)], [3, 3]))
        veins.append(([shifted(cava[2], 0, 4, 0), shifted(kidney, side * 50, 8, -4)], [4.5, 4]))
        arteries.append(
            ([arch[1], beside(8, side * 14, 28), beside(5, side * 26, 14), beside(3, side * 27, 10)], [4.5, 4, 3.5, 3])
        )
        veins.append(([beside(9, 18, 35), beside(7, side * 28, 18), beside(3, side * 32, 8)], [6, 6, 4.5]))
    for points, radii in veins:
        paint.tube(points, radii, Tissue.VEIN)
    patches = smooth_noise(rng, paint.frame, 11.0) if calcified > 0 else None
    for points, radii in arteries:
        for one in tube(points, radii):
            box, depth = evaluate(one, paint.frame)
            paint.depth(box, depth, Tissue.ARTERY, 0.3)
            if patches is not None and depth.size:
                wall = (depth > 0) & (depth < 1.6) & (patches[box] > 2.8 - 2.2 * calcified)
                paint.tissue[box][wall] = Tissue.CALCIUM


def paint_head(paint: Painter, spine: Spine) -> None:
    """Brain, and face with tongue and hollows."""
    top = shifted(spine.levels[0].place.centre_mm, 0, 0, 12)
    paint.shape(ellipsoid(shifted(top, 0, 22, 68), (66, 86, 68)), Tissue.BRAIN, 1.0)
    paint.shape(ellipsoid(shifted(top, 0, 62, -28), (32, 38, 26)), Tissue.MUSCLE, 2.0, over=paint.tissue > 0)
    paint.shape(ellipsoid(shifted(top, 0, 58, 8), (26, 26, 12)), Tissue.GAS, 3.0, over=paint.tissue > 0)


def paint_table(paint: Painter, trunk: Trunk) -> None:
    """A curved table top with foam on it, a little behind the back."""
    x, y, z = (paint.frame.axis_mm(axis) for axis in range(3))
    back = float((trunk.skin_centre[:10, 1] - trunk.skin[:10, 1]).min())
    surface = np.float32(back - paint.rng.uniform(4, 30)) + np.square(x) * np.float32(paint.rng.uniform(0, 6e-4))
    gap = surface - y + 0 * z
    outside, wide = paint.tissue == Tissue.AIR, np.abs(x) < 215
    paint.tissue[outside & wide & (gap > 0) & (gap < 45)] = Tissue.FOAM
    paint.tissue[outside & wide & (((gap > 0) & (gap < 3)) | ((gap > 42) & (gap < 45)))] = Tissue.TABLE
