"""What lies in the trunk: muscles and canal along the spine, discs, organs, bowel, vessels, heart, and the table below."""

import numpy as np

from spine_tf.datasets.phantom_shapes import Frame, Shape, ellipsoid, evaluate, smooth_noise, tube
from spine_tf.datasets.phantom_spine import FIRST_LUMBAR, Spine
from spine_tf.datasets.phantom_tissue import Tissue
from spine_tf.datasets.phantom_trunk import Trunk


class Painter:
    """Paints shapes into a tissue map; later paint covers earlier paint."""

    def __init__(self, frame: Frame, tissue: np.ndarray, cavity: np.ndarray, rng: np.random.Generator):
        self.frame, self.tissue, self.cavity, self.rng = frame, tissue, cavity, rng
        self.wobble = smooth_noise(rng, frame, 16.0)
        self.marbling = smooth_noise(rng, frame, (3.5, 3.5, 14.0))

    def shape(self, shape: Shape, tissue: Tissue, rough_mm=1.0, rim=None, rim_mm=1.5, over=None, place=None) -> None:
        """One shape; `rim` is the tissue of its outer `rim_mm`, `over` a bool map of where it may be painted."""
        box, depth = evaluate(shape, self.frame, **({"place": place} if place is not None else {}))
        self.depth(box, depth, tissue, rough_mm, rim, rim_mm, over)

    def depth(self, box, depth, tissue, rough_mm=1.0, rim=None, rim_mm=1.5, over=None) -> None:
        """As `shape`, from a depth in mm in a box."""
        if not depth.size:
            return
        depth = depth + np.float32(rough_mm) * self.wobble[box]
        inside = depth > 0 if over is None else (depth > 0) & over[box]
        target = self.tissue[box]
        if rim is not None:
            target[inside] = rim
            inside &= depth > rim_mm
        target[inside] = tissue

    def column(self, nodes: np.ndarray, tissue: Tissue, rough_mm=0.8, rim=None, rim_mm=1.5, over=None) -> None:
        """An upright column of elliptic cross-section; nodes (n, 5): z, x, y, half width, half depth in mm, by z."""
        nodes = nodes[np.argsort(nodes[:, 0])]
        reach = nodes[:, 3:].max(0) + 2
        low = (nodes[:, 1].min() - reach[0], nodes[:, 2].min() - reach[1], nodes[0, 0])
        high = (nodes[:, 1].max() + reach[0], nodes[:, 2].max() + reach[1], nodes[-1, 0])
        box = self.frame.box(low, high)
        x, y, z = (self.frame.axis_mm(axis, box[axis]) for axis in range(3))
        cx, cy, rx, ry = (np.interp(z, nodes[:, 0], nodes[:, k]).astype(np.float32) for k in range(1, 5))
        depth = (1 - np.sqrt(np.square((x - cx) / rx) + np.square((y - cy) / ry))) * np.minimum(rx, ry)
        self.depth(box, depth, tissue, rough_mm, rim, rim_mm, over)

    def tube(self, points, radii, tissue: Tissue, rim=None, rim_mm=1.5, rough_mm=0.4) -> None:
        """A vessel or hose along a polyline, (n, 3) mm."""
        for one in tube(np.asarray(points, float), radii):
            self.shape(one, tissue, rough_mm, rim, rim_mm)


def along_spine(spine: Spine, first: float, last: float) -> list:
    """The levels between two rows of the chain (C1 = 0, L5 = 23), from top to bottom."""
    return [level for level in spine.levels if first <= level.row <= last]


def paint_muscles(paint: Painter, spine: Spine, trunk: Trunk, infiltration: float) -> None:
    """Erector spinae in three bundles, quadratus lumborum, psoas; neck muscles. `infiltration` 0..1: fat in them."""
    for side in (-1, 1):
        bed = []
        for level in spine.levels:
            s, (x, y, z) = level.size, level.place.centre_mm
            size = np.interp(level.row, [0, 5, 8, 14, 19, 23], [0.85, 0.8, 0.5, 0.55, 1.0, 1.0])
            y += -s["depth"] / 2 - s["canal_depth"] - 17 * size + 4
            bed.append([z, x + side * 33 * max(size, 0.7), y, 36 * size, 25 * size])
        bed += [[bed[-1][0] - 60, side * 30, bed[-1][2] - 25, 26, 14]]
        paint.column(np.array(bed), Tissue.MUSCLE, 1.5, over=paint.tissue > 0)
        for lateral, back, wide, deep in ((11, 4, 11, 15), (29, 3, 16, 19), (50, 0, 16, 14)):
            nodes = []
            for level in spine.levels:
                s, centre = level.size, level.place.centre_mm
                size = np.interp(level.row, [0, 5, 8, 14, 19, 23], [0.85, 0.8, 0.6, 0.6, 1.05, 1.0])
                y = centre[1] - s["depth"] / 2 - s["canal_depth"] - back - deep * size
                nodes.append([centre[2], centre[0] + side * lateral * max(size, 0.75), y, wide * size, deep * size])
            tail = np.array(nodes[-1])
            nodes += [list(tail + [-45, side * 2, -22, 0, -3]), list(tail + [-100, side * -4, -45, -8, -9])]
            paint.column(np.array(nodes), Tissue.MUSCLE, 1.5, rim=Tissue.FAT, rim_mm=0.3 + infiltration)
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
        gluteus = [[-230, side * 95, -75, 55, 38], [-60, side * 80, -70, 55, 34], [0, side * 85, -50, 35, 18]]
        paint.column(np.array(gluteus), Tissue.MUSCLE, 2.0, over=paint.tissue > 0)
        neck = [level for level in spine.levels if level.row <= 7]
        for lateral, ahead, wide, deep in ((24, 2, 10, 11), (42, 14, 10, 16), (12, 12, 9, 6)):
            nodes = [
                [
                    one.place.centre_mm[2],
                    one.place.centre_mm[0] + side * lateral,
                    one.place.centre_mm[1] + ahead,
                    wide,
                    deep,
                ]
                for one in neck
            ]
            paint.column(np.array(nodes), Tissue.MUSCLE, 1.0, rim=Tissue.FAT, rim_mm=0.8)
    streaks = (paint.marbling > np.float32(2.6 - 1.9 * infiltration)) & (paint.tissue == Tissue.MUSCLE)
    paint.tissue[streaks] = Tissue.FAT


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


def paint_organs(paint: Painter, spine: Spine, trunk: Trunk, diaphragm_z: float) -> None:
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
        organ(kidney + [-side * 14, 6, 0], (13, 12, 26), Tissue.FAT, rough_mm=2.0)
    organ(at(20, -15, 48, 5), (60, 12, 15), Tissue.SOFT, rough_mm=3.0)
    organ(np.array([0, 40, -125]), (42, 38, 34), Tissue.FLUID, rim=Tissue.MUSCLE, rim_mm=4.0)
    organ(
        np.array([0, -35, -130]),
        (24, 22, 50),
        Tissue(rng.choice([Tissue.STOOL, Tissue.GAS])),
        rim=Tissue.BOWEL,
        rim_mm=4.0,
    )


def paint_chest(paint: Painter, spine: Spine, trunk: Trunk, diaphragm_z: float) -> None:
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
    fork = down[-1] + [0, 0, -18]
    arteries = [(arch + down[1:], np.r_[15, 14, 13, 12.5, 12.5, 12, 11, 10, 9, 8.5] * wide)]
    veins = [(cava, np.r_[10, 11, 12, 12, 12] * wide)]
    veins.append(([beside(9, 18, 35), beside(13, 22, 50)], [8, 10]))
    for side in (-1, 1):
        arteries.append(([fork, (side * 28, 30, -25), (side * 58, 30, -90), (side * 74, 66, -140)], [7, 6, 5.5, 5]))
        veins.append(([cava[0], (side * 24, 20, -30), (side * 54, 16, -95), (side * 66, 62, -142)], [8, 7, 7, 6]))
        kidney = spine.level(20).place.centre_mm
        arteries.append(([down[4], kidney + [side * 50, 2, 0]], [3, 3]))
        veins.append(([cava[2] + [0, 4, 0], kidney + [side * 50, 8, -4]], [4.5, 4]))
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
    top = spine.levels[0].place.centre_mm + [0, 0, 12]
    paint.shape(ellipsoid(top + [0, 22, 68], (66, 86, 68)), Tissue.BRAIN, 1.0)
    paint.shape(ellipsoid(top + [0, 62, -28], (32, 38, 26)), Tissue.MUSCLE, 2.0, over=paint.tissue > 0)
    paint.shape(ellipsoid(top + [0, 58, 8], (26, 26, 12)), Tissue.GAS, 3.0, over=paint.tissue > 0)


def paint_table(paint: Painter, trunk: Trunk) -> None:
    """A curved table top with foam on it, a little behind the back."""
    x, y, z = (paint.frame.axis_mm(axis) for axis in range(3))
    back = float((trunk.skin_centre[:10, 1] - trunk.skin[:10, 1]).min())
    surface = np.float32(back - paint.rng.uniform(4, 30)) + np.square(x) * np.float32(paint.rng.uniform(0, 6e-4))
    gap = surface - y + 0 * z
    outside, wide = paint.tissue == Tissue.AIR, np.abs(x) < 215
    paint.tissue[outside & wide & (gap > 0) & (gap < 45)] = Tissue.FOAM
    paint.tissue[outside & wide & (((gap > 0) & (gap < 3)) | ((gap > 42) & (gap < 45)))] = Tissue.TABLE
