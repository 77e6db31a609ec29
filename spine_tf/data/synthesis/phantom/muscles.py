"""Paints what lies along the spine: muscles, discs, the canal with sac and cord."""

import numpy as np

from spine_tf.data.synthesis.phantom.paint import Painter
from spine_tf.data.synthesis.phantom.shapes import Placement, ellipsoid
from spine_tf.data.synthesis.phantom.spine import FIRST_LUMBAR, Spine, along_spine
from spine_tf.data.synthesis.phantom.tissue import Tissue

# Columns (z, x to the side, y, half width, half depth), in mm from the top of the sacrum, for a person of scale 1.
_HIP_MUSCLES = {
    "gluteus maximus": ((-210, 98, -52, 50, 26), (-150, 86, -66, 58, 34), (-70, 78, -70, 52, 28), (0, 84, -46, 30, 14)),
    "gluteus medius": ((-150, 132, -8, 26, 34), (-80, 128, 4, 26, 46), (-10, 128, 2, 16, 40), (25, 126, 0, 6, 20)),
    "iliacus": ((-140, 84, 36, 24, 16), (-70, 82, 22, 20, 26), (-15, 96, 8, 14, 26), (15, 106, 0, 6, 14)),
    "obturator internus": ((-165, 48, 10, 22, 34), (-130, 52, 12, 12, 34), (-95, 62, 8, 8, 26)),
    "thigh, front": ((-430, 104, 34, 40, 28), (-200, 112, 48, 44, 34), (-120, 118, 52, 26, 20)),
    "thigh, back": ((-430, 96, -34, 36, 28), (-240, 88, -40, 40, 30), (-170, 72, -30, 26, 22)),
    "adductors": ((-430, 66, 2, 20, 36), (-240, 52, 8, 34, 44), (-160, 34, 40, 20, 20)),
}


def paint_muscles(paint: Painter, spine: Spine, infiltration: float) -> None:
    """Paint erector spinae in three bundles, quadratus lumborum, psoas, and the muscles of neck, hip and thigh.

    Args:
        paint: the tissue map.
        spine: gives places and the person's scale.
        infiltration: 0..1, how much fat is in the muscles.
    """
    inside = paint.tissue > 0
    for side in (-1, 1):
        bed = []
        for level in spine.levels:
            size = np.interp(level.row, [0, 5, 8, 14, 19, 23], [0.85, 0.8, 0.5, 0.55, 1.0, 1.0])
            behind = -level.size["depth"] / 2 - level.size["canal_depth"] - 17 * size + 4
            bed.append(level.beside(side * 33 * max(size, 0.7), behind, 36 * size, 25 * size))
        bed.append([bed[-1][0] - 60, side * 30, bed[-1][2] - 25, 26, 14])
        paint.column(bed, Tissue.MUSCLE, 1.5, over=inside)
        for lateral, back, wide, deep in ((11, 4, 11, 15), (29, 3, 16, 19), (50, 0, 16, 14)):
            nodes = []
            for level in spine.levels:
                s, centre = level.size, level.place.centre_mm
                size = np.interp(level.row, [0, 5, 8, 14, 19, 23], [0.85, 0.8, 0.6, 0.6, 1.05, 1.0])
                y = centre[1] - s["depth"] / 2 - s["canal_depth"] - back - deep * size
                nodes.append([centre[2], centre[0] + side * lateral * max(size, 0.75), y, wide * size, deep * size])
            nodes += [np.add(nodes[-1], way) for way in ((-45, side * 2, -22, 0, -3), (-100, side * -4, -45, -8, -9))]
            paint.column(nodes, Tissue.MUSCLE, 1.5, rim=Tissue.FAT, rim_mm=0.3 + infiltration, over=inside)
        lumbar = along_spine(spine, FIRST_LUMBAR - 1, 24)
        psoas, square = [], []
        for k, level in enumerate(lumbar):
            s, (x, y, z) = level.size, level.place.centre_mm
            grow = (k + 0.6) / len(lumbar)
            radius = 5 + 19 * grow
            psoas.append([z, x + side * (s["width"] / 2 + 0.75 * radius + 1), y - 4 + 6 * grow, radius, radius * 1.15])
            square.append(level.beside(side * (52 + 14 * grow), -26, 14 + 6 * grow, 8))
        psoas += [[-60, side * 62, 8, 22, 20], [-120, side * 80, 32, 20, 19]]
        paint.column(square, Tissue.MUSCLE, 1.0)
        paint.column(psoas, Tissue.MUSCLE, 1.0, rim=Tissue.FAT, rim_mm=0.8)
        for nodes in _hip_muscles(side):
            paint.column(np.array(nodes) * spine.scale, Tissue.MUSCLE, 2.0, Tissue.FAT, 0.8 + infiltration, over=inside)
        cervical = [level for level in spine.levels if level.row <= 7]
        for lateral, ahead, wide, deep in ((24, 2, 10, 11), (42, 14, 10, 16), (12, 12, 9, 6)):
            nodes = [one.beside(side * lateral, ahead, wide, deep) for one in cervical]
            paint.column(nodes, Tissue.MUSCLE, 1.0, rim=Tissue.FAT, rim_mm=0.8)
    streaks = (paint.marbling > np.float32(2.6 - 1.9 * infiltration)) & (paint.tissue == Tissue.MUSCLE)
    paint.tissue[streaks] = Tissue.FAT


def _hip_muscles(side: int) -> list[list[tuple[float, ...]]]:
    """The columns of `_HIP_MUSCLES` on one side."""
    return [[(z, side * x, *rest) for z, x, *rest in nodes] for nodes in _HIP_MUSCLES.values()]


def paint_spine_soft(paint: Painter, spine: Spine, rng: np.random.Generator, degeneration: float) -> None:
    """Paint discs (now and then with gas in them), fat around the canal, thecal sac and cord.

    Args:
        paint: the tissue map.
        spine: the vertebrae.
        rng: draws gas in discs.
        degeneration: 0..1, see `anatomy.Person`.
    """
    levels = spine.levels
    nodes = []
    for k, level in enumerate(levels):
        s, place = level.size, level.place
        middle = place.to_world((0, -s["depth"] / 2 - s["canal_depth"] / 2, 0))
        nodes.append((middle, s["canal_width"] / 2, s["canal_depth"] / 2, level.row))
        below = levels[k + 1] if k + 1 < len(levels) else None
        floor = below.place.to_world((0, 0, below.size["height"] / 2)) if below else spine.sacrum.centre_mm
        roof = place.to_world((0, 0, -s["height"] / 2))
        if level.label == 1:
            continue
        disc = ellipsoid((0, 0, 0), (s["width"] * 0.52, s["depth"] * 0.53, np.linalg.norm(roof - floor) * 1.6 + 3))
        tilted = Placement((roof + floor) / 2, place.rotation)
        paint.shape(disc, Tissue.DISC, 0.6, place=tilted)
        if rng.random() < 0.12 * degeneration:
            gas = ellipsoid((rng.normal(0, 5), rng.normal(0, 4), 0), (rng.uniform(4, 13), rng.uniform(3, 8), 1.3))
            paint.shape(gas, Tissue.GAS, 0.3, place=tilted)
    points = np.array([node[0] for node in nodes])
    down = points[-1] + [0, 2, 0] + np.array([[0, -6, -35], [0, -32, -75]])
    half = np.array([[node[1], node[2]] for node in nodes] + [[12, 8], [8, 5]])
    rows = np.array([node[3] for node in nodes] + [24, 25])
    upright = np.concatenate([points, down])[:, [2, 0, 1]]
    paint.column(np.column_stack([upright, half[:, 0] + 7, half[:, 1] + 1.5]), Tissue.FAT, 0.3)
    paint.column(np.column_stack([upright, half * [[0.82, 0.84]]]), Tissue.CSF, 0.3)
    cord = rows <= 19.5
    radii = np.where(rows[:, None] < 7, [6.5, 3.8], [4.8, 3.6])
    paint.column(np.column_stack([upright, radii])[cord], Tissue.CORD, 0.2)
