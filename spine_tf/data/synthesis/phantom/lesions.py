"""Adds what grows in vertebrae, on them and in the pelvis: metastases, haemangiomas, islands, cement, flowing bone."""

import itertools

import numpy as np

from spine_tf.data.synthesis.phantom.bones import Bones, brighten
from spine_tf.data.synthesis.phantom.shapes import capsule, ellipsoid, evaluate, tube
from spine_tf.data.synthesis.phantom.spine import Level, Spine

KINDS = {
    "none": 0.8,
    "sclerotic": 0.06,
    "lytic": 0.04,
    "mixed": 0.02,
    "haemangioma": 0.04,
    "island": 0.03,
    "cement": 0.01,
}
"""What a person has, and how often."""
_HU = {"sclerotic": (250, 900), "lytic": (-260, -90), "island": (700, 1100), "cement": (900, 2200)}
DISH_SHARE = 0.25
"""Of those whose degeneration is 1: how many have bone flowing along the front of the thoracic spine."""


def add_lesions(bones: Bones, spine: Spine, rng: np.random.Generator) -> str:
    """Change the HU of bone in some vertebrae and, with metastases, in the pelvis.

    The outline of the bone, and with it the truth, stays as it is.

    Args:
        bones: `extra_hu` is changed in place.
        spine: the vertebrae.
        rng: draws the kind of lesion, then places and sizes.

    Returns:
        the kind of lesion, a key of KINDS.
    """
    kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
    if kind == "none":
        return kind
    many = kind in ("sclerotic", "lytic", "mixed")
    for level in rng.choice(
        np.array(spine.levels[2:], object), size=int(rng.integers(3, 12) if many else rng.integers(1, 3))
    ):
        if kind == "haemangioma":
            _add_haemangioma(bones, level, rng)
            continue
        one = str(rng.choice(["sclerotic", "lytic"])) if kind == "mixed" else kind
        size = level.body_mm / 2
        centre = rng.uniform(-0.6, 0.6, 3) * size
        if many and rng.random() < 0.2:
            centre = np.array([rng.uniform(-1, 1) * size[0], -size[1] - rng.uniform(0, 25), rng.uniform(-5, 5)])
        reach = rng.uniform(2, 5, 3) if kind == "island" else rng.uniform(0.25, 1.1, 3) * size
        brighten(bones, ellipsoid(centre, reach), rng.uniform(*_HU[one]), level.place, soft_mm=2.0)
    if many:
        for _ in range(int(rng.integers(2, 9))):
            one = str(rng.choice(["sclerotic", "lytic"])) if kind == "mixed" else kind
            spot = np.array([rng.uniform(-120, 120), rng.uniform(-60, 50), rng.uniform(-130, 30)]) * spine.scale
            brighten(bones, ellipsoid(spot, rng.uniform(5, 22, 3)), rng.uniform(*_HU[one]), soft_mm=3.0)
    return kind


def _add_haemangioma(bones: Bones, level: Level, rng) -> None:
    """Few, thick, upright trabeculae in fat: dots in axial slices, stripes in the others."""
    size = level.body_mm / 2
    ball = ellipsoid(rng.uniform(-0.3, 0.3, 3) * size, rng.uniform(0.5, 1.1) * size)
    box, depth = evaluate(ball, bones.frame, level.place, margin_mm=0.0)
    x, y = (bones.frame.axis_mm(axis, box[axis]) for axis in range(2))
    dots = (np.cos(x * 1.9) * np.cos(y * 1.9 + 0.4 * np.sin(x)) > 0.45) * np.ones(depth.shape, bool)
    bones.extra_hu[box] += np.where(depth > 0, np.where(dots, 260, -110), 0).astype(np.int16)


def add_flowing_bone(bones: Bones, spine: Spine, degeneration: float, rng: np.random.Generator) -> None:
    """Merge bone that flows along the front of the thoracic spine (hyperostosis), on the right in most.

    It is labelled as part of the vertebrae.

    Args:
        bones: changed in place.
        spine: the vertebrae.
        degeneration: 0..1; the share of those who have it is DISH_SHARE times its square.
        rng: draws whether, where and on which side.
    """
    if rng.random() > DISH_SHARE * degeneration**2:
        return
    first = int(rng.integers(12, 17))
    last = first + int(rng.integers(3, 7))
    chosen = [one for one in spine.levels if first <= one.row <= last]
    side = float(rng.choice([1, 1, 1, -1]))
    for above, below in itertools.pairwise(chosen):
        path = []
        for level, heights in ((above, (0.1, -0.5)), (below, (0.5, -0.1))):
            s = level.size
            for up in heights:
                out = 1.06 if abs(up) == 0.5 else 0.96
                path.append(
                    level.place.to_world((side * s["width"] * 0.28 * out, s["depth"] * 0.44 * out, up * s["height"]))
                )
        middle = (path[1] + path[2]) / 2 + above.place.rotation @ np.array([side * 1.5, 2.5, 0])
        upper, lower = tube([path[0], path[1], middle], [2, 3.5, 4]), [capsule(middle, path[3], 4, 2)]
        bones.add_shapes(upper, above.label, gap_mm=0.8)
        bones.add_shapes(lower, below.label, gap_mm=0.8)
