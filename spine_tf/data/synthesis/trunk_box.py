"""Draws the field of view of a warped trunk: which vertebrae, how much around them, in which voxels."""

import numpy as np

from spine_tf.data.synthesis.phantom.shapes import Frame
from spine_tf.data.synthesis.warping import Move, draw_move

MAX_VOXELS = 4_500_000
SMALLEST_MM = (0.4, 0.4, 0.5)


def draw_trunk_box(rng: np.random.Generator, arrays: dict[str, np.ndarray]) -> tuple[Move, Frame, dict]:
    """Draw how a map is warped and which box of it is scanned.

    Args:
        rng: draws both.
        arrays: see `preparing.prepare_trunk`.

    Returns:
        the move, the grid of the scan in mm of the new body, and what was drawn, as plain JSON types.
    """
    labels, centres, sizes = (arrays[f"vertebra_{name}"] for name in ("labels", "centres", "sizes"))
    count = int(rng.choice([rng.integers(5, 8), rng.integers(8, 13), len(labels)], p=[0.4, 0.25, 0.35]))
    count = min(count, len(labels))
    first = int(rng.integers(0, len(labels) - count + 1))
    shown = slice(first, first + count)
    around = str(rng.choice(["narrow", "spine", "trunk"], p=[0.3, 0.2, 0.5]))
    middle = (centres[shown].min(0) + centres[shown].max(0)) / 2
    move = draw_move(rng, arrays, middle, wide=around == "trunk")
    forward = np.linalg.inv(move.matrix)
    points = (centres[shown] - middle) @ forward.T
    _, depth, height, _ = sizes[shown].max(0) * move.growth
    low, high = points.min(0), points.max(0)
    if around == "trunk":
        counts = np.array(arrays["structure"].shape)
        corners = np.array([[x, y, middle[2]] for x in (0, counts[0]) for y in (0, counts[1])], float)
        corners[:, :2] += arrays["first_mm"][:2]
        corners = (corners - middle) @ forward.T
        side = np.abs(corners[:, 0]).max() * rng.uniform(0.7, 1.05)
        low[:2] = -side, corners[:, 1].min() * rng.uniform(0.75, 1.05)
        high[:2] = side, corners[:, 1].max() * rng.uniform(0.85, 1.05)
    else:
        side = rng.uniform(26, 58) if around == "narrow" else rng.uniform(60, 110)
        low[0], high[0] = low[0] - side, high[0] + side
        back, front = ((-8, 35), (4, 45)) if around == "narrow" else ((5, 60), (15, 110))
        low[1] -= depth / 2 + 55 * move.growth + rng.uniform(*back)
        high[1] += depth / 2 + rng.uniform(*front)
    low[2] -= height * rng.uniform(-0.3, 2.2)
    high[2] += height * rng.uniform(-0.3, 1.6)
    # Beyond the map's first and last slice there is nothing to see.
    ends = arrays["first_mm"][2] + np.array([0, arrays["structure"].shape[2] - 1]) - middle[2]
    low[2], high[2] = np.clip([low[2], high[2]], *(ends * forward[2, 2]))
    kind, spacing = _draw_spacing(rng, high - low)
    shape = tuple(int(n) for n in np.maximum(np.round((high - low) / spacing), 12))
    origin = (low + high) / 2 - (np.array(shape) - 1) / 2 * spacing
    frame = Frame(shape, tuple(float(s) for s in spacing), tuple(float(o) for o in origin.round(3)))
    told = {"around": around, "slices": kind, "first": int(labels[shown][0]), "last": int(labels[shown][-1])}
    return move, frame, told


def _draw_spacing(rng, extent) -> tuple[str, np.ndarray]:
    """Thin isotropic, axial with thin or thick slices, or sagittal; in plane coarser where there is too much."""
    kind = str(rng.choice(["isotropic", "axial", "sagittal"], p=[0.3, 0.45, 0.25]))
    plane = rng.uniform(0.4, 1.1)
    spacing = np.full(3, plane if kind != "isotropic" else rng.uniform(0.6, 1.4))
    if kind == "axial":
        spacing[2] = rng.choice([rng.uniform(0.6, 1.5), rng.uniform(1.5, 3.0), rng.uniform(3.0, 5.0)])
    elif kind == "sagittal":
        spacing[0] = rng.uniform(1.0, 4.0)
    spacing = np.maximum(spacing, SMALLEST_MM)
    for free in ([0, 1] if kind == "axial" else [1, 2] if kind == "sagittal" else [0, 1, 2], [0, 1, 2]):
        too_many = float(np.prod(np.ceil(extent / spacing))) / MAX_VOXELS
        if too_many > 1:
            wanted = spacing[free] * (too_many * 1.01) ** (1 / len(free))
            spacing[free] = np.minimum(wanted, np.maximum(spacing[free], 1.6)) if len(free) == 2 else wanted
    return kind, spacing.round(4)
