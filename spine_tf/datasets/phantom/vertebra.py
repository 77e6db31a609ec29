"""The shape of one vertebra: body, pedicles, laminae, facets, processes; fractures and osteophytes."""

from dataclasses import dataclass

import numpy as np

from spine_tf.datasets.phantom.shapes import Bones, Shape, capsule, ellipsoid, evaluate, plate, smooth_max, smooth_min
from spine_tf.datasets.phantom.spine import FIRST_LUMBAR, Level

C1, C2, LAST_CERVICAL = 1, 2, 6
"""VerSe ids, and the row of C7 in the chain."""


@dataclass(frozen=True)
class Wear:
    """What age and accident did to one vertebra."""

    fracture: str = "none"
    """"none", "wedge", "biconcave" or "crush" (Genant's three kinds)."""
    loss: float = 0.0
    """Share of height lost by the fracture."""
    osteophyte_mm: float = 0.0
    """How far the rims stick out."""
    facet_mm: float = 0.0
    """How much thicker the facets have grown."""


def draw_wear(rng: np.random.Generator, degeneration: float, fracture_rate: float, row: float) -> Wear:
    """Wear of one vertebra; fractures are drawn below T4 only, where nearly all are."""
    kind, loss = "none", 0.0
    if row >= 11 and rng.random() < fracture_rate:
        kind, loss = str(rng.choice(["wedge", "biconcave", "crush"], p=[0.55, 0.3, 0.15])), float(rng.uniform(0.2, 0.5))
    grown = rng.gamma(1.2, 2.0) * degeneration * (1.0 if row > LAST_CERVICAL else 0.5)
    return Wear(kind, loss, float(min(grown, 7.0)), float(min(rng.gamma(1.0, 1.2) * degeneration, 3.0)))


def add_vertebra(bones: Bones, level: Level, wear: Wear, rough: np.ndarray, rng: np.random.Generator) -> None:
    """Merge one vertebra into `bones`.

    Args:
        rough: smooth noise (x, y, z) that roughens its surface.
    """
    body = _ring(level) if level.label == C1 else [_body(level, wear, rng)]
    arch = [_jitter(shape, rng) for shape in _arch(level, wear, rng)]
    if level.label == C2:
        body.append(_dens(level))
    frame, place = bones.frame, level.place
    parts = [(*evaluate(shape, frame, place), is_arch) for is_arch, some in ((0, body), (1, arch)) for shape in some]
    parts = [part for part in parts if part[1].size]
    if not parts:
        return
    low = [min(part[0][axis].start for part in parts) for axis in range(3)]
    high = [max(part[0][axis].stop for part in parts) for axis in range(3)]
    block = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    depths = [np.full([b - a for a, b in zip(low, high, strict=True)], -9, np.float32) for _ in range(2)]
    for box, depth, is_arch in parts:
        inner = tuple(slice(one.start - a, one.stop - a) for one, a in zip(box, low, strict=True))
        target = depths[is_arch]
        target[inner] = smooth_max(target[inner], depth, 2.0)
    whole = smooth_max(depths[0], depths[1], 2.5)
    whole += np.float32(0.35) * rough[block]
    bones.add(block, whole, level.label, depths[1] > depths[0])


def _body(level: Level, wear: Wear, rng) -> Shape:
    """A waisted, kidney-shaped drum with hollowed endplates; a fracture takes height in front, amid or all over."""
    s = {name: np.float32(value) for name, value in level.size.items()}
    half_w, half_d, half_h = s["width"] / 2, s["depth"] / 2, s["height"] / 2
    cervical = level.row <= LAST_CERVICAL
    waist = np.float32(rng.uniform(0.05, 0.08) if cervical else rng.uniform(0.08, 0.14))
    hollow = np.float32(rng.uniform(0.6, 1.8))
    notch = np.float32(rng.uniform(0.08, 0.16) * (0.5 if cervical else 1.0)) * s["depth"]
    lip = np.float32(0.22 * level.size["height"]) if cervical else np.float32(0)
    sides, phase = rng.integers(1, 4), rng.uniform(0, 2 * np.pi, 2)
    front, middle, back = {
        "none": (rng.uniform(-0.02, 0.05), 0, 0),
        "wedge": (wear.loss, wear.loss * 0.7, 0.05),
        "biconcave": (0.1, wear.loss, 0.05),
        "crush": (wear.loss, wear.loss, wear.loss * 0.9),
    }[wear.fracture]
    spread = np.float32(1 + 0.12 * wear.loss)

    def depth(u, v, w):
        height = np.clip(np.abs(w) / half_h, 0, 1.15)
        along, across = u / half_w, v / half_d
        dent = notch * np.exp(-np.square(along / 0.5))
        pinch = 1 - waist * (1 - height * height)
        if wear.osteophyte_mm > 0.3:
            angle = np.arctan2(across, along)
            bump = 0.55 + 0.45 * np.sin(sides * angle + np.float32(phase[0]) + np.sign(w) * np.float32(phase[1]))
            pinch = pinch + np.float32(wear.osteophyte_mm) / half_w * bump * height**6
        pinch = pinch * spread
        # The back wall is pushed in towards the middle: the kidney's hilum.
        deep = np.where(v < 0, v / (half_d - dent), across)
        a2, b2 = np.square(along / pinch), np.square(deep / pinch)
        radius = np.sqrt(np.maximum(a2 + b2 - 0.25 * a2 * b2, 1e-4))
        # Mean radius weighted by direction turns the ratio back into mm.
        wall = (1 - radius) * (half_w * a2 + half_d * (b2 + 1e-4)) / (a2 + b2 + 1e-4)
        loss = np.where(v > 0, middle + (front - middle) * across, middle + (middle - back) * across)
        flat = np.clip(1 - radius, 0, 1)
        top = half_h * (1 - np.clip(loss, -0.2, 0.6)) - hollow * flat
        upper = top + lip * np.clip((np.abs(along) - 0.65) * 4, 0, 1) if cervical else top
        return smooth_min(wall, smooth_min(upper - w, w + half_h * (1 - 0.3 * loss) - hollow * flat, 1.0), 2.5)

    reach = np.array([half_w, half_d, half_h + lip]) * 1.1 + wear.osteophyte_mm
    return Shape(-reach, reach, depth)


def _arch(level: Level, wear: Wear, rng) -> list[Shape]:
    """Everything behind the body, in pairs where there are two."""
    s, row = level.size, level.row
    lumbar, cervical = row >= FIRST_LUMBAR, row <= LAST_CERVICAL
    front = -s["depth"] / 2
    rear = front - s["canal_depth"]
    ped_w, ped_h, high = s["pedicle_width"] / 2, s["pedicle_height"] / 2, s["lamina_high"]
    ped_u = s["canal_width"] / 2 + ped_w * 0.75
    lift = 0.0 if cervical else s["height"] * 0.16
    facet, drop = s["facet"], np.tan(np.radians(s["spinous_down_deg"]))
    span = s["height"] / 2 + s["disc"] / 2
    shapes = []
    for side in (-1.0, 1.0):
        root = (side * min(ped_u, s["width"] / 2 - ped_w * 0.5), front + 3, lift)
        corner = (side * facet, front - s["canal_depth"] * 0.5, lift)
        shapes.append(capsule(root, corner, ped_w, ped_w, (1, 1, ped_h / ped_w)))
        # Lamina: from the articular pillar to the midline, leaning down and back.
        pillar = (side * facet * 0.95, front - s["canal_depth"] * 0.72, -0.05 * high)
        ridge = (0.0, rear - 3.0, -0.35 * high)
        shapes.append(plate(pillar, ridge, high * 0.9, (3.9, 3.5) if lumbar else (3.3, 3.2), 2))
        if cervical:
            # Articular pillars: stacked lozenges whose joints slope down to the back.
            shapes.append(ellipsoid((side * facet, front - 6.5, -1.0), (6.2, 6.0, span * 0.95)))
            tip = (side * s["transverse"], front + 4.0 + rng.normal(0, 1), -2.0)
            shapes.append(capsule((side * ped_u, front + 1, 0), tip, 3.2, 2.6))
            continue
        # Lumbar joints stand upright, the lower vertebra's half outside; thoracic ones lie one behind the other.
        thick = (5.8 if lumbar else 3.4) + wear.facet_mm * 0.5
        turn, long = (4.2, 1.3) if lumbar else (0.5, 0.9)
        upper_v = front - s["canal_depth"] * (0.66 if lumbar else 0.58)
        upper = (side * (facet + turn), upper_v - 1.0, span * (0.8 if lumbar else 0.85))
        shapes.append(capsule((side * (facet + 1), upper_v, 0.0), upper, thick, thick, (1.0, long, 1)))
        lower_v = rear - (1.5 if lumbar else 1.0)
        lower = (side * (facet - turn), lower_v, -span * (1.02 if lumbar else 1.0))
        shapes.append(capsule((side * facet * 0.85, rear + 1.0, -2.0), lower, thick, thick, (1.0, long, 1)))
        back = np.radians(s["transverse_back_deg"] + rng.normal(0, 4))
        start = np.array([side * (facet + 1.0), front - s["canal_depth"] * 0.55, lift])
        reach = max(s["transverse"] - facet, 6.0) / np.cos(back) * rng.uniform(0.9, 1.1)
        end = start + reach * np.array([side * np.cos(back), -np.sin(back), 0.05 if lumbar else 0.12])
        tall = (1, 1, 1.5) if lumbar else (1, 1, 1.15)
        tip_radius = 3.0 if lumbar else 4.6
        shapes.append(capsule(start, end, 3.6, tip_radius, tall))
    length = s["spinous"]
    start = (0.0, rear - 2.0, -0.35 * high)
    slope = length / np.hypot(1, drop)
    end = (rng.normal(0, 1.0), rear - 2.0 - slope, -0.35 * high - slope * drop)
    half_high = s["spinous_high"] * rng.uniform(0.8, 1.05)
    shapes.append(plate(start, end, 3.3 if lumbar else 2.7, (half_high * 0.8, half_high), 0))
    swell = (0.9, 1, 1) if lumbar else (1.2, 1, 1)
    tip = np.add(end, (0, half_high * 0.6, 0))
    shapes.append(capsule(tip, np.add(tip, (0, 1.0, -half_high * 0.5)), 4.2, 4.6, swell))
    if cervical and level.label != 7:
        shapes += [ellipsoid(np.add(end, (side * 4, -2, 0)), (3, 4, 3)) for side in (-1, 1)]
    return shapes


def _ring(level: Level) -> list[Shape]:
    """C1 has no body: front arch and lateral masses; the dens of C2 stands behind the front arch."""
    bow = [(-19, 0, 0), (-10, 7.5, 0), (0, 10.5, 0), (10, 7.5, 0), (19, 0, 0)]
    grown = level.size["width"] / 19
    shapes = [
        capsule(np.multiply(bow[k], grown), np.multiply(bow[k + 1], grown), 3, 3, (1, 1, 1.6))
        for k in range(len(bow) - 1)
    ]
    return shapes + [ellipsoid((side * 20 * grown, -6, 0), (7.5, 10, 9)) for side in (-1, 1)]


def _dens(level: Level) -> Shape:
    height = level.size["height"]
    return capsule((0, 0, height * 0.3), (0, 0, height * 0.5 + 17), 6.2, 4.8)


def _jitter(shape: Shape, rng) -> Shape:
    """The same shape moved by half a millimetre or so, so that no two sides are alike."""
    move = rng.normal(0, 0.6, 3).astype(np.float32)
    return Shape(
        shape.low + move, shape.high + move, lambda u, v, w: shape.depth(u - move[0], v - move[1], w - move[2])
    )
