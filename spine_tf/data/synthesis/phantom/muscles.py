"""What lies along the spine: muscles, discs, the canal with sac and cord."""

import numpy as np

from spine_tf.data.synthesis.phantom.paint import Painter
from spine_tf.data.synthesis.phantom.shapes import ellipsoid
from spine_tf.data.synthesis.phantom.spine import FIRST_LUMBAR, Spine, along_spine
from spine_tf.data.synthesis.phantom.tissue import Tissue


def paint_muscles(paint: Painter, spine: Spine, infiltration: float) -> None:
    """Erector spinae in three bundles, quadratus lumborum, psoas; neck muscles. `infiltration` 0..1: fat in them."""
    inside = paint.tissue > 0
    for side in (-1, 1):
        bed = []
        for level in spine.levels:
            s, (x, y, z) = level.size, level.place.centre_mm
            size = np.interp(level.row, [0, 5, 8, 14, 19, 23], [0.85, 0.8, 0.5, 0.55, 1.0, 1.0])
            y += -s["depth"] / 2 - s["canal_depth"] - 17 * size + 4
            bed.append([z, x + side * 33 * max(size, 0.7), y, 36 * size, 25 * size])
        bed += [[bed[-1][0] - 60, side * 30, bed[-1][2] - 25, 26, 14]]
        paint.column(np.array(bed), Tissue.MUSCLE, 1.5, over=inside)
        for lateral, back, wide, deep in ((11, 4, 11, 15), (29, 3, 16, 19), (50, 0, 16, 14)):
            nodes = []
            for level in spine.levels:
                s, centre = level.size, level.place.centre_mm
                size = np.interp(level.row, [0, 5, 8, 14, 19, 23], [0.85, 0.8, 0.6, 0.6, 1.05, 1.0])
                y = centre[1] - s["depth"] / 2 - s["canal_depth"] - back - deep * size
                nodes.append([centre[2], centre[0] + side * lateral * max(size, 0.75), y, wide * size, deep * size])
            tail = np.array(nodes[-1])
            nodes += [
                list(tail + np.array((-45, side * 2, -22, 0, -3))),
                list(tail + np.array((-100, side * -4, -45, -8, -9))),
            ]
            paint.column(np.array(nodes), Tissue.MUSCLE, 1.5, rim=Tissue.FAT, rim_mm=0.3 + infiltration, over=inside)
        lumbar = along_spine(spine, FIRST_LUMBAR - 1, 24)
        psoas, square = [], []
        for k, level in enumerate(lumbar):
            s, (x, y, z) = level.size, level.place.centre_mm
            grow = (k + 0.6) / len(lumbar)
            radius = 5 + 19 * grow
            psoas.append([z, x + side * (s["width"] / 2 + 0.75 * radius + 1), y - 4 + 6 * grow, radius, radius * 1.15])
            square.append([z, x + side * (52 + 14 * grow), y - 26, 14 + 6 * grow, 8])
        psoas += [[-60, side * 62, 8, 22, 20], [-120, side * 80, 32, 20, 19]]
        paint.column(np.array(square), Tissue.MUSCLE, 1.0)
        paint.column(np.array(psoas), Tissue.MUSCLE, 1.0, rim=Tissue.FAT, rim_mm=0.8)
        for nodes in _hip_muscles(side):
            paint.column(np.array(nodes) * spine.scale, Tissue.MUSCLE, 2.0, Tissue.FAT, 0.8 + infiltration, over=inside)
        cervical = [level for level in spine.levels if level.row <= 7]
        for lateral, ahead, wide, deep in ((24, 2, 10, 11), (42, 14, 10, 16), (12, 12, 9, 6)):
            nodes = [
                [
                    one.place.centre_mm[2],
                    one.place.centre_mm[0] + side * lateral,
                    one.place.centre_mm[1] + ahead,
                    wide,
                    deep,
                ]
                for one in cervical
            ]
            paint.column(np.array(nodes), Tissue.MUSCLE, 1.0, rim=Tissue.FAT, rim_mm=0.8)
    streaks = (paint.marbling > np.float32(2.6 - 1.9 * infiltration)) & (paint.tissue == Tissue.MUSCLE)
    paint.tissue[streaks] = Tissue.FAT


def _hip_muscles(side: int) -> list[list[list[float]]]:
    """Columns (z, x, y, half width, half depth) of the muscles around hip and thigh, for a person of scale 1."""
    great = [
        [-210, side * 98, -52, 50, 26],
        [-150, side * 86, -66, 58, 34],
        [-70, side * 78, -70, 52, 28],
        [0, side * 84, -46, 30, 14],
    ]
    middle = [
        [-150, side * 132, -8, 26, 34],
        [-80, side * 128, 4, 26, 46],
        [-10, side * 128, 2, 16, 40],
        [25, side * 126, 0, 6, 20],
    ]
    iliac = [
        [-140, side * 84, 36, 24, 16],
        [-70, side * 82, 22, 20, 26],
        [-15, side * 96, 8, 14, 26],
        [15, side * 106, 0, 6, 14],
    ]
    inner = [[-165, side * 48, 10, 22, 34], [-130, side * 52, 12, 12, 34], [-95, side * 62, 8, 8, 26]]
    front = [[-430, side * 104, 34, 40, 28], [-200, side * 112, 48, 44, 34], [-120, side * 118, 52, 26, 20]]
    rear = [[-430, side * 96, -34, 36, 28], [-240, side * 88, -40, 40, 30], [-170, side * 72, -30, 26, 22]]
    add = [[-430, side * 66, 2, 20, 36], [-240, side * 52, 8, 34, 44], [-160, side * 34, 40, 20, 20]]
    return [great, middle, iliac, inner, front, rear, add]


def paint_spine_soft(paint: Painter, spine: Spine, rng: np.random.Generator, degeneration: float) -> None:
    """Discs between the bodies (now and then with gas), fat around the canal, thecal sac and cord."""
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
        tilted = type(place)((roof + floor) / 2, place.rotation)
        paint.shape(disc, Tissue.DISC, 0.6, place=tilted)
        if rng.random() < 0.12 * degeneration:
            gas = ellipsoid((rng.normal(0, 5), rng.normal(0, 4), 0), (rng.uniform(4, 13), rng.uniform(3, 8), 1.3))
            paint.shape(gas, Tissue.GAS, 0.3, place=tilted)
    points = np.array([node[0] for node in nodes])
    down = points[-1] + [0, 2, 0] + np.array([[0, -6, -35], [0, -32, -75]])
    points = np.concatenate([points, down])
    half = np.array([[node[1], node[2]] for node in nodes] + [[12, 8], [8, 5]])
    rows = np.array([node[3] for node in nodes] + [24, 25])
    upright = np.column_stack([points[:, 2], points[:, :2]])
    paint.column(np.column_stack([upright, half[:, 0] + 7, half[:, 1] + 1.5]), Tissue.FAT, 0.3)
    paint.column(np.column_stack([upright, half * [[0.82, 0.84]]]), Tissue.CSF, 0.3)
    cord = rows <= 19.5
    radii = np.where(rows[:, None] < 7, [6.5, 3.8], [4.8, 3.6])
    paint.column(np.column_stack([upright, radii])[cord], Tissue.CORD, 0.2)
