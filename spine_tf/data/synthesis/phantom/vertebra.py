"""Builds a vertebra: its body with fractures and osteophytes, joined to its arch."""

from dataclasses import dataclass

import numpy as np

from spine_tf.data.synthesis.phantom.bones import Bones, brighten
from spine_tf.data.synthesis.phantom.carved import moved
from spine_tf.data.synthesis.phantom.shapes import (
    Shape,
    ellipsoid,
    enclosing,
    evaluate,
    size_of,
    smooth_max,
    smooth_min,
    within,
)
from spine_tf.data.synthesis.phantom.spine import Level
from spine_tf.data.synthesis.phantom.vertebral_arch import LAST_CERVICAL, Arch, arch_shapes, dens_shape, ring_shapes
from spine_tf.scans.labels import C1, C2


@dataclass(frozen=True)
class Wear:
    """Describes what age and accident did to one vertebra."""

    fracture: str = "none"
    """"none", "wedge", "biconcave" or "crush" (Genant's three kinds)."""
    loss: float = 0.0
    """Share of height lost by the fracture."""
    osteophyte_mm: float = 0.0
    """How far the rims stick out."""
    facet_mm: float = 0.0
    """How much thicker the facets have grown."""
    nodes: tuple[tuple[float, float, float, float], ...] = ()
    """Schmorl's nodes: place in the endplate (-1..1 across, along), depth in mm, 1 for the upper one or -1."""
    sclerosis_hu: float = 0.0
    """Added to the bone below the endplates."""


def draw_wear(rng: np.random.Generator, degeneration: float, fracture_rate: float, row: float) -> Wear:
    """Draw the wear of one vertebra.

    Args:
        rng: draws it.
        degeneration: 0..1.
        fracture_rate: share of the vertebrae below T4 that are fractured; above, where fractures are rare, none is.
        row: place of the vertebra in the chain, C1 = 0.
    """
    kind, loss = "none", 0.0
    if row >= 11 and rng.random() < fracture_rate:
        kind, loss = str(rng.choice(["wedge", "biconcave", "crush"], p=[0.55, 0.3, 0.15])), float(rng.uniform(0.2, 0.5))
    grown = rng.gamma(1.2, 2.0) * degeneration * (1.0 if row > LAST_CERVICAL else 0.5)
    nodes = []
    for _ in range(int(rng.poisson(0.12 + 0.25 * degeneration)) if row > LAST_CERVICAL else 0):
        nodes.append((*rng.uniform(-0.45, 0.45, 2), rng.uniform(1.5, 6.0), rng.choice([-1.0, 1.0])))
    return Wear(
        kind,
        loss,
        float(min(grown, 7.0)),
        float(min(rng.gamma(1.0, 1.2) * degeneration, 3.0)),
        tuple(tuple(float(value) for value in node) for node in nodes),
        float(rng.uniform(80, 450) if rng.random() < 0.4 * degeneration else 0.0),
    )


def add_vertebra(bones: Bones, level: Level, wear: Wear, rough: np.ndarray, rng: np.random.Generator) -> None:
    """Merge one vertebra into `bones`, unless all of it lies outside of the frame.

    Args:
        bones: changed in place.
        level: its id, sizes and place.
        wear: see `draw_wear`.
        rough: float32 (x, y, z), smooth noise that roughens its surface.
        rng: draws its shape, so that no two are alike.
    """
    frame, place = bones.frame, level.place
    if level.label == C1:
        body, arch = ring_shapes(level), Arch([], [])
    else:
        body, arch = [_body(level, wear, rng)], arch_shapes(level, wear.facet_mm, rng)
    if level.label == C2:
        body.append(dens_shape(level))
    joints = [_jitter(shape, rng) for shape in arch.joints]
    arch = [_jitter(shape, rng) for shape in arch.parts] + joints
    parts = [(*evaluate(shape, frame, place), is_arch) for is_arch, some in ((0, body), (1, arch)) for shape in some]
    parts = [part for part in parts if part[1].size]
    if not parts:
        return
    block = enclosing([box for box, _, _ in parts])
    depths = np.full((2, *size_of(block)), -9, np.float32)  # (body or arch, x, y, z)
    for box, depth, is_arch in parts:
        target = depths[is_arch][within(box, block)]
        target[:] = smooth_max(target, depth, 2.0)
    whole = smooth_max(depths[0], depths[1], 2.5)
    whole += np.float32(0.35) * rough[block]
    bones.add(block, whole, level.label, depths[1] > depths[0], gap_mm=1.3)
    if wear.sclerosis_hu:
        width, deep, height = level.body_mm
        for end in (-1, 1):
            zone = ellipsoid((0, 0, end * height * 0.45), (width * 0.45, deep * 0.45, 6.0))
            brighten(bones, zone, wear.sclerosis_hu, place, soft_mm=3.0)
    for shape in joints:
        brighten(bones, shape, 380 + 130 * wear.facet_mm, place, soft_mm=1.5)


def _body(level: Level, wear: Wear, rng) -> Shape:
    """A waisted, kidney-shaped drum with hollowed endplates; a fracture takes height in front, amid or all over."""
    s = {name: np.float32(value) for name, value in level.size.items()}
    half_w, half_d, half_h = s["width"] / 2, s["depth"] / 2, s["height"] / 2
    cervical = level.row <= LAST_CERVICAL
    waist = np.float32(rng.uniform(0.05, 0.08) if cervical else rng.uniform(0.08, 0.14))
    hollow = np.float32(rng.uniform(0.6, 1.8) if cervical else rng.uniform(0.8, 3.2))
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
        floor = half_h * (1 - 0.3 * loss) - hollow * flat
        for at_u, at_v, deep_mm, end in wear.nodes:
            dent_mm = np.float32(deep_mm) * np.exp(-np.square((along - at_u) * 5) - np.square((across - at_v) * 4))
            top, floor = (top - dent_mm, floor) if end > 0 else (top, floor - dent_mm)
        upper = top + lip * np.clip((np.abs(along) - 0.65) * 4, 0, 1) if cervical else top
        return smooth_min(wall, smooth_min(upper - w, w + floor, 1.0), 2.5)

    reach = np.array([half_w, half_d, half_h + lip]) * 1.1 + wear.osteophyte_mm
    return Shape(-reach, reach, depth)


def _jitter(shape: Shape, rng) -> Shape:
    """The same shape moved by half a millimetre or so, so that no two sides are alike."""
    return moved(shape, rng.normal(0, 0.6, 3))
