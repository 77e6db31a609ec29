"""Paints the belly: solid organs, stomach and bowel with what fills them, the urinary tract."""

import numpy as np

from spine_tf.data.synthesis.phantom.paint import Painter
from spine_tf.data.synthesis.phantom.shapes import ellipsoid, evaluate, shifted
from spine_tf.data.synthesis.phantom.smoothing import smooth_noise
from spine_tf.data.synthesis.phantom.spine import Spine
from spine_tf.data.synthesis.phantom.tissue import Tissue

_FILLINGS = (Tissue.BOWEL, Tissue.FLUID, Tissue.GAS, Tissue.STOOL, Tissue.ORAL_CONTRAST)
_SHARES = {
    "none": (0.34, 0.24, 0.2, 0.22, 0.0),
    "some": (0.25, 0.2, 0.15, 0.15, 0.25),
    "much": (0.08, 0.1, 0.12, 0.05, 0.65),
}

_COLON = ((24, 82, 40, -70), (23, 95, 35, 0), (21, 98, 22, 0), (20, 88, 45, 0), (21, 45, 88, 0), (22, 0, 100, 0),
          (21, -45, 85, 0), (19, -90, 35, 0), (21, -100, 15, 0), (23, -98, 25, 0), (24, -80, 40, -55))  # fmt: skip
"""Bends of the colon: beside which vertebra, how far right, in front and up, in mm for a person of scale 1."""
_SIGMOID = ((-50, 30, -75), (-15, 15, -60), (5, -15, -70), (0, -38, -105), (0, -28, -155))
"""Last bends of the colon and the rectum, in mm from the top of the sacrum, for a person of scale 1."""


def paint_organs(paint: Painter, spine: Spine, calcified: float) -> None:
    """Paint bowel, liver, gall bladder, spleen, pancreas, kidneys, ureters and bladder, with a few stones.

    Args:
        paint: the tissue map; its `rng` draws what is painted.
        spine: gives places and the person's scale.
        calcified: 0..1, see `anatomy.Person`.
    """
    rng, inside = paint.rng, paint.cavity & (paint.tissue != Tissue.LUNG)
    at, organ = _placers(paint, spine, inside)
    # Positive oral contrast fills most of the bowel in some scans and is absent from most.
    oral = str(rng.choice(list(_SHARES), p=[0.6, 0.17, 0.23]))
    _paint_bowel(paint, spine, inside, at, _SHARES[oral])
    organ(at(19, 78, 45, 10), (85, 85, 85), Tissue.LIVER, rough_mm=2.0)
    organ(at(19, 15, 75, 5), (75, 45, 45), Tissue.LIVER, rough_mm=2.0)
    _paint_liver_vessels(paint, at(19, 60, 50, 10), 110 * spine.scale)
    gall = at(20, 62, 62, 5)
    organ(gall, (16, 20, 26), Tissue.FLUID, rough_mm=1.0)
    if rng.random() < 0.1:
        for _ in range(int(rng.integers(1, 6))):
            stone = ellipsoid(gall + rng.normal(0, 5, 3) - (0, 6, 0), rng.uniform(2, 7, 3))
            paint.shape(stone, Tissue.CALCIFIED, 0.4, rim=Tissue.CALCIUM, rim_mm=1.0, over=inside)
    organ(at(19, -88, 5, 5), (30, 42, 50), Tissue.SPLEEN)
    content = _filling(rng, _SHARES[oral])
    stomach = at(19, -58, 65, -5)
    organ(stomach, (42, 45, 55), content, rough_mm=2.5, rim=Tissue.BOWEL, rim_mm=4.0,
          gas_y_mm=stomach[1] + rng.uniform(0, 35))  # fmt: skip
    organ(at(20, 12, 62, -10), (38, 20, 18), content, rough_mm=2.5, rim=Tissue.BOWEL, rim_mm=4.0)
    organ(at(20, -15, 48, 5), (60, 12, 15), Tissue.SOFT, rough_mm=3.0)
    _paint_urinary(paint, spine, at, organ)
    organ(np.array([0, 8, -128]) * spine.scale, (26, 22, 20), Tissue.SOFT, rough_mm=1.5)
    if rng.random() < 0.25 * (0.3 + calcified):
        for _ in range(int(rng.integers(1, 9))):
            node = at(int(rng.choice([21, 22, 23])), rng.uniform(-60, 60), rng.uniform(25, 85), rng.uniform(-60, 20))
            organ(node, rng.uniform(2.5, 8, 3), Tissue(rng.choice([Tissue.CALCIFIED, Tissue.CALCIUM])), rough_mm=1.0)
    for _ in range(int(rng.poisson(1.2 + 3 * calcified))):
        vein_stone = (rng.choice([-1, 1]) * rng.uniform(25, 62), rng.uniform(-25, 25), rng.uniform(-150, -105))
        organ(np.multiply(vein_stone, spine.scale), rng.uniform(1.2, 3, 3), Tissue.CALCIUM, rough_mm=0.2)


def _placers(paint: Painter, spine: Spine, inside: np.ndarray):
    """Functions: a place beside a vertebra, and an ellipsoid of tissue there."""

    def at(label, right, front, up=0.0):
        x, y, z = spine.level(label).place.centre_mm
        return np.array([x * 0.7 + right * spine.scale, y + front * spine.scale, z + up])

    def organ(centre, radii, tissue, **more):
        size = np.array(radii) * spine.scale * paint.rng.uniform(0.9, 1.1, 3)
        paint.shape(ellipsoid(centre, size), tissue, over=inside, **more)

    return at, organ


def _filling(rng, shares) -> Tissue:
    return Tissue(rng.choice(_FILLINGS, p=shares))


def _paint_bowel(paint: Painter, spine: Spine, inside: np.ndarray, at, shares) -> None:
    """Small bowel as loops that wander, the colon as a frame around them, rectum; gas collects in front."""
    rng, scale = paint.rng, spine.scale

    def bend(points, radii, content, wall_mm):
        gas_y = None if rng.random() < 0.5 else points[0][1] + rng.uniform(-0.3, 0.9) * radii[0]
        paint.tube(points, radii, content, Tissue.BOWEL, wall_mm, 2.0, over=inside, gas_y_mm=gas_y)

    for _ in range(int(rng.integers(22, 34))):
        label, right, front = int(rng.choice([21, 22, 23, 24])), rng.uniform(-80, 80), rng.uniform(45, 120)
        points = [at(label, right, front, rng.uniform(-75, 20) * scale)]
        for _ in range(int(rng.integers(2, 5))):
            points.append(points[-1] + rng.normal(0, 1, 3) * (26, 14, 20) * scale)
        bend(points, np.full(len(points), rng.uniform(8, 15) * scale), _filling(rng, shares), rng.uniform(1.5, 3))
    frame = [at(label, right, front, up * scale) for label, right, front, up in _COLON]
    frame += list(np.multiply(_SIGMOID, scale))
    along = np.linspace(0, len(frame) - 1, 40)
    path = np.column_stack([np.interp(along, np.arange(len(frame)), np.array(frame)[:, k]) for k in range(3)])
    path += rng.normal(0, 4, path.shape)
    wide = rng.uniform(15, 24) * scale * (1 + 0.18 * np.sin(np.arange(40) * 2.4))
    wide *= np.interp(along, [0, 3, 9, 15], [1.3, 1.1, 0.9, 0.85])
    content = _filling(rng, shares)
    for k in range(0, 39, 2):
        if rng.random() < 0.4:
            content = _filling(rng, (0.1, 0.06, 0.3, 0.42, 0.12) if shares[-1] else (0.12, 0.08, 0.32, 0.48, 0.0))
        bend(path[k : k + 3], wide[k : k + 3], content, 2.2)


def _paint_liver_vessels(paint: Painter, centre, reach_mm: float) -> None:
    box = paint.frame.box(np.subtract(centre, reach_mm), np.add(centre, reach_mm))
    liver = paint.tissue[box] == Tissue.LIVER
    if not liver.any():
        return
    sub = paint.frame.part(box)
    curve = np.square(smooth_noise(paint.rng, sub, 30.0)) + np.square(smooth_noise(paint.rng, sub, 30.0))
    paint.tissue[box][liver & (curve < 0.03)] = Tissue.PORTAL


def _paint_urinary(paint: Painter, spine: Spine, at, organ) -> None:
    rng, scale = paint.rng, spine.scale
    for side in (-1, 1):
        kidney = at(20 if side < 0 else 21, side * 66, -12 + rng.uniform(-4, 8), 8 + rng.uniform(-15, 10))
        organ(kidney, (27, 25, 56), Tissue.KIDNEY, rough_mm=1.5)
        # The pyramids sit between cortex and the fat of the hilum.
        for up in np.linspace(-36, 36, 6):
            for turn in (-0.9, 0.4, 1.6):
                outward = side * 12 * np.cos(turn) * (1 - abs(up) / 70)
                spot = shifted(kidney, outward, 11 * np.sin(turn) + 1, up, scale)
                organ(spot, (6, 6, 5), Tissue.MEDULLA, rough_mm=0.5)
        organ(shifted(kidney, -side * 15 * scale, 6, 0), (13, 11, 24), Tissue.FAT, rough_mm=2.0)
        wide = rng.uniform(0.6, 1.5)
        for up in (-20, 0, 20):
            hub, calyx = shifted(kidney, -side * 14, 5, up * 0.3, scale), shifted(kidney, side * 2, 3, up, scale)
            paint.tube([hub, calyx], np.array([4, 3.5]) * wide * scale, Tissue.URINE)
        organ(shifted(kidney, -side * 18, 6, -4, scale), (8 * wide, 6 * wide, 11 * wide), Tissue.URINE)
        ureter = [shifted(kidney, -side * 20, 8, -14, scale), at(22, side * 38, 8), at(24, side * 34, 16)]
        ureter += list(np.multiply([(side * 44, 5, -60), (side * 30, 20, -120)], scale))
        paint.tube(ureter, rng.uniform(1.6, 3.0), Tissue.URINE)
        if rng.random() < 0.07:
            organ(kidney + rng.normal(0, 8, 3), rng.uniform(2, 6, 3), Tissue.CALCIUM, rough_mm=0.5)
        if rng.random() < 0.15:
            organ(kidney + rng.normal(0, 20, 3), rng.uniform(6, 22, 3), Tissue.FLUID)
    bladder = np.array([0, 40, -120]) * scale
    size = np.array([42, 36, 34]) * rng.uniform(0.55, 1.15)
    organ(bladder, size, Tissue.URINE, rim=Tissue.MUSCLE, rim_mm=rng.uniform(2.5, 5))
    if rng.random() < 0.5:
        # Contrast sinks to the back; what floats above it is water.
        box, _ = evaluate(ellipsoid(bladder, size * scale), paint.frame)
        above = paint.frame.axis_mm(1, box[1]) > bladder[1] + rng.uniform(-8, 20)
        paint.tissue[box][(paint.tissue[box] == Tissue.URINE) & above] = Tissue.FLUID
