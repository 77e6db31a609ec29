"""Adds what is not the patient: the table below, leads on the skin, screws, clips and prostheses inside."""

import numpy as np

from spine_tf.data.synthesis.phantom.carved import bowl
from spine_tf.data.synthesis.phantom.paint import Painter
from spine_tf.data.synthesis.phantom.pelvis import HIP_CENTRE
from spine_tf.data.synthesis.phantom.shapes import Frame, Shape, capsule, ellipsoid, evaluate, shifted, tube
from spine_tf.data.synthesis.phantom.skull import head_origin
from spine_tf.data.synthesis.phantom.spine import Spine
from spine_tf.data.synthesis.phantom.tissue import Tissue
from spine_tf.data.synthesis.phantom.trunk import Trunk


def paint_table(paint: Painter, trunk: Trunk) -> None:
    """Paint a curved table top with foam in it, a little behind the back; now and then a second board below it."""
    rng = paint.rng
    x, y, z = (paint.frame.axis_mm(axis) for axis in range(3))
    back = float((trunk.skin_centre[:10, 1] - trunk.skin[:10, 1]).min())
    surface = np.float32(back - rng.uniform(4, 30)) + np.square(x) * np.float32(rng.uniform(0, 1.2e-3))
    gap = surface - y + 0 * z
    thick = np.float32(rng.uniform(25, 75))
    shell = np.float32(max(rng.uniform(1.0, 3.5), 1.05 * paint.frame.spacing_mm[1]))
    free = (paint.tissue == Tissue.AIR) & (np.abs(x) < rng.uniform(195, 240))
    paint.tissue[free & (gap > 0) & (gap < thick)] = Tissue.FOAM
    paint.tissue[free & (((gap > 0) & (gap < shell)) | ((gap > thick - shell) & (gap < thick)))] = Tissue.TABLE
    if rng.random() < 0.3:
        low = rng.uniform(90, 160)
        paint.tissue[free & (gap > low) & (gap < low + max(3, shell))] = Tissue.TABLE


def add_screws(
    metal: np.ndarray, frame: Frame, spine: Spine, screws: tuple[int, ...], rng: np.random.Generator
) -> None:
    """Add pedicle screws, and a rod along their heads on each side.

    Args:
        metal: bool (x, y, z), changed in place.
        frame: its grid.
        spine: the vertebrae.
        screws: VerSe ids of the vertebrae with screws.
        rng: draws how the screws are turned.
    """
    if not screws:
        return
    for side in (-1, 1):
        heads = []
        for level in spine.levels:
            if level.label not in screws:
                continue
            s, place = level.size, level.place
            pedicle = s["canal_width"] / 2 + s["pedicle_width"] * 0.4
            rear = -s["depth"] / 2 - s["canal_depth"]
            tip = place.to_world((side * pedicle * rng.uniform(0.45, 0.7), s["depth"] * 0.22, s["height"] * 0.1))
            head = place.to_world((side * (pedicle + 5), rear - 9, s["height"] * 0.2))
            heads.append(head)
            draw_metal(metal, frame, [capsule(tip, head, 2.3, 2.9), capsule(head, shifted(head, 0, -7, 0), 5.5, 5.0)])
        draw_metal(metal, frame, tube(np.add(heads, (0, -3, 0)), 2.9))


def draw_metal(metal: np.ndarray, frame: Frame, shapes: list[Shape], least_mm: float = 0.0) -> None:
    """Set `metal`, bool (x, y, z), inside shapes and up to `least_mm` around them, so that thin things show."""
    for shape in shapes:
        box, depth = evaluate(shape, frame)
        metal[box] |= depth > -least_mm


def add_devices(metal: np.ndarray, frame: Frame, spine: Spine, trunk: Trunk, calcified: float, rng) -> list[str]:
    """Add metal away from the spine.

    Args:
        metal: bool (x, y, z), changed in place.
        frame: its grid.
        spine, trunk: where things lie.
        calcified: 0..1; those with more calcium more often have a pacemaker, wires, a stent or a new hip.
        rng: draws what there is.

    Returns:
        names of what was added.
    """
    thin = 0.4 * min(frame.spacing_mm)
    told = []
    for name, share, build in (
        ("leads", 0.2, _leads),
        ("wires", 0.05 + 0.1 * calcified, _sternal_wires),
        ("pacemaker", 0.04 + 0.06 * calcified, _pacemaker),
        ("port", 0.08, _port),
        ("clips", 0.1, _clips),
        ("hip", 0.04 + 0.08 * calcified, _hip_prosthesis),
        ("stent", 0.03 + 0.06 * calcified, _stent),
        ("fillings", 0.4, _fillings),
        ("coils", 0.04, _coils),
    ):
        if rng.random() < share:
            told.append(name)
            draw_metal(metal, frame, build(spine, trunk, rng), thin if name not in ("hip", "pacemaker") else 0.0)
    return told


def _leads(spine, trunk, rng) -> list[Shape]:
    shapes = []
    top, low = (spine.level(label).place.centre_mm[2] for label in (9, 18))
    for _ in range(int(rng.integers(2, 5))):
        angle, z = rng.uniform(-1.3, 1.3), rng.uniform(low, top)
        patch = shifted(trunk.skin_point(angle, z), 0, 3, 0)
        shapes.append(ellipsoid(patch, (5, 4, 5)))
        wire, end = [patch], rng.uniform(-1, 1)
        for number in range(8):
            angle = 0.7 * angle + 0.3 * end
            z -= rng.uniform(5, 40)
            wire.append(shifted(trunk.skin_point(angle, z), 0, 4 + 3 * (number % 2), 0))
        shapes += tube(wire, 0.8)
    return shapes


def _sternal_wires(spine, trunk, rng) -> list[Shape]:
    shapes = []
    for label in range(10, 17):
        x, _, z = spine.level(label).place.centre_mm
        front = trunk.at(trunk.cage_centre, z)[1] + trunk.at(trunk.cage, z)[1]
        ring = [(x * 0.6 + 14 * np.sin(a), front + 8 * np.cos(a), z) for a in np.linspace(0, 2 * np.pi, 9)]
        shapes += tube(ring, 0.7)
        shapes.append(ellipsoid((x * 0.6, front + 10, z), (2, 2, 3)))
    return shapes


def _pacemaker(spine, trunk, rng) -> list[Shape]:
    z = spine.level(11).place.centre_mm[2]
    side = rng.choice([-1, -1, 1])
    case = trunk.skin_point(side * 0.5, z) - (0, 12, 0)
    heart = spine.level(15).place.centre_mm + np.array([-30, 85, 0]) * spine.scale
    vein = spine.level(10).place.centre_mm + np.array([20, 45, 0]) * spine.scale
    lead = [case, shifted(case, -side * 10, -10, 40), vein, (vein + heart) / 2 + (25, 0, 0), heart]
    return [ellipsoid(case, (24, 5, 20)), *tube(lead, 1.0), ellipsoid(heart, (2, 2, 5))]


def _port(spine, trunk, rng) -> list[Shape]:
    z = spine.level(11).place.centre_mm[2]
    case = trunk.skin_point(0.55, z) - (0, 8, 0)
    vein = spine.level(9).place.centre_mm + np.array([24, 36, 0]) * spine.scale
    end = spine.level(13).place.centre_mm + np.array([24, 50, 0]) * spine.scale
    return [ellipsoid(case, (9, 5, 9)), *tube([case, shifted(case, -8, -4, 50), vein, end], 0.9)]


def _clips(spine, trunk, rng) -> list[Shape]:
    centre = spine.level(int(rng.choice([13, 19, 20, 22, 24]))).place.centre_mm
    centre = shifted(centre, rng.uniform(-70, 80), rng.uniform(35, 80), rng.uniform(-30, 30))
    shapes = []
    for _ in range(int(rng.integers(2, 8))):
        start = centre + rng.normal(0, 14, 3)
        shapes.append(capsule(start, start + rng.normal(0, 3, 3), 0.8, 0.8))
    return shapes


def _hip_prosthesis(spine, trunk, rng) -> list[Shape]:
    shapes, scale = [], spine.scale
    for side in {int(rng.choice([-1, 1])), int(rng.choice([-1, 1]))}:
        joint = HIP_CENTRE * (side, 1, 1) * scale
        cup = bowl(joint, 26 * scale, 22 * scale, (side * 0.7, 0.2, -0.5), 3)
        stem = ((0, 0, 0), (34, -4, -34), (44, -4, -70), (42, -2, -180))
        stem = [shifted(joint, side * x, y, z, scale) for x, y, z in stem]
        shapes += [cup, ellipsoid(joint, np.full(3, 15 * scale)), *tube(stem, np.array([7, 9, 9, 5]) * scale)]
    return shapes


def _stent(spine, trunk, rng) -> list[Shape]:
    shapes = []
    for label in (20, 21, 22, 23):
        level = spine.level(label)
        x, y, z = level.place.centre_mm + np.array([-7, level.size["depth"] / 2 + 13, 0]) * spine.scale
        for up in np.arange(-0.5, 0.5, 0.34) * level.size["height"]:
            a = np.linspace(0, 2 * np.pi, 13)
            ring = np.stack([x + 10 * np.sin(a), y + 10 * np.cos(a), z + up + 3 * np.sin(4 * a)], 1)
            shapes += tube(ring, 0.4)
    return shapes


def _fillings(spine, trunk, rng) -> list[Shape]:
    zero, scale = head_origin(spine), spine.scale**0.5
    shapes = []
    for _ in range(int(rng.integers(1, 7))):
        a = rng.choice([-1, 1]) * rng.uniform(0.5, 1.2)
        up, radius, front = (-35, 27, 57) if rng.random() < 0.5 else (-46, 25, 55)
        shapes.append(ellipsoid(zero + np.array([radius * np.sin(a), front + 38 * np.cos(a), up]) * scale, (3, 3, 2.5)))
    return shapes


def _coils(spine, trunk, rng) -> list[Shape]:
    centre = spine.level(int(rng.choice([19, 21, 23]))).place.centre_mm
    centre = shifted(centre, rng.uniform(-60, 60), rng.uniform(30, 60), 0)
    points = centre + np.cumsum(rng.normal(0, 3.5, (14, 3)), 0)
    return tube(points, 0.8)
