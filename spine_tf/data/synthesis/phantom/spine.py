"""Draws the spine as a chain: which vertebrae there are, how large each is, and where it lies."""

from dataclasses import dataclass

import numpy as np

from spine_tf.data.synthesis.phantom.shapes import Placement, rotation
from spine_tf.scans.labels import C1, L1, L5, L6, T12, T13

FIRST_LUMBAR = 19
"""Row of L1 in the chain."""
CHILDREN = 0.06
"""Share of persons who are not grown up."""
REGULAR = tuple(range(C1, L5 + 1))
"""VerSe ids of the usual 24 vertebrae, C1 to L5."""

# Means over adults in mm at some levels (row of REGULAR, C1 = 0), linear in between. Widths, depths and heights after
# Panjabi et al., Spine 1991-92 (cervical, thoracic and lumbar human vertebrae); the rest fitted to masks by eye.
_ANCHORS = {
    "width": {1: 19, 2: 19, 5: 21, 6: 24, 7: 28, 9: 26.5, 11: 27, 14: 31, 17: 37, 18: 40, 19: 42, 21: 46, 23: 51},
    "depth": {1: 16, 6: 17, 7: 17.5, 9: 20, 12: 25, 15: 29, 18: 31.5, 19: 33, 21: 35, 23: 36},
    "height": {0: 11, 1: 20, 2: 13, 6: 14, 7: 16, 12: 19.5, 15: 21.5, 18: 25, 19: 26.5, 21: 28, 23: 28},
    "disc": {0: 3, 1: 5, 6: 5, 7: 4.3, 10: 3.2, 14: 3.8, 17: 5, 18: 6, 19: 8, 20: 9.5, 22: 11, 23: 10.5},
    "canal_width": {0: 30, 2: 24, 6: 24, 8: 19, 12: 17, 17: 19, 19: 22, 23: 27},
    "canal_depth": {0: 22, 2: 14.5, 6: 15, 12: 15.5, 19: 17, 23: 17},
    "pedicle_width": {1: 6, 2: 5.5, 6: 6.5, 7: 8, 10: 5, 13: 5.5, 17: 8.5, 19: 9, 21: 11, 23: 16},
    "pedicle_height": {1: 8, 2: 7, 6: 7.5, 7: 10, 12: 12, 17: 16, 19: 15.5, 23: 14.5},
    "transverse": {1: 27, 2: 26, 5: 28, 6: 34, 7: 38, 9: 32, 14: 30, 16: 27, 17: 24, 18: 22, 19: 36, 21: 45, 23: 45},
    "transverse_back_deg": {1: -8, 5: -8, 6: 5, 7: 25, 12: 38, 17: 45, 18: 40, 19: 14, 23: 10},
    "spinous": {1: 20, 2: 15, 5: 20, 6: 30, 7: 31, 10: 32, 15: 30, 18: 25, 19: 26, 21: 27, 22: 25, 23: 19},
    "spinous_down_deg": {1: 15, 6: 22, 7: 35, 10: 55, 14: 58, 16: 42, 18: 24, 19: 17, 23: 17},
    "spinous_high": {1: 5, 5: 4, 7: 4.2, 12: 3.8, 16: 4.8, 18: 7.5, 19: 9, 21: 9.5, 22: 9, 23: 7.5},
    "lamina_high": {1: 6, 2: 5, 6: 6.5, 7: 8.5, 12: 9.5, 18: 10.5, 21: 10.5, 23: 9},
    "facet": {1: 19, 2: 19.5, 6: 19, 7: 15, 9: 12.5, 16: 12, 18: 12.5, 19: 13, 21: 15.5, 23: 20},
    "tilt_deg": {0: -8, 1: -6, 3: 3, 5: 14, 7: 24, 9: 20, 12: 8, 15: -4, 18: -12, 19: -12, 20: -9, 21: -2, 22: 9,
                 23: 24},
}  # fmt: skip
_SACRAL_TILT_DEG = 40.0


@dataclass(frozen=True)
class Level:
    """Holds one vertebra's VerSe id, its sizes, and where its body's centre lies."""

    label: int
    row: float
    """Place in the chain, C1 = 0."""
    size: dict[str, float]
    """Sizes in mm and angles in degrees, by the names of `_ANCHORS`."""
    place: Placement

    @property
    def body_mm(self) -> np.ndarray:
        """Width, depth and height of the body, (3,)."""
        return np.array([self.size[name] for name in ("width", "depth", "height")])

    def beside(self, right: float, front: float, half_width: float, half_depth: float) -> list[float]:
        """Return a node of `Painter.column` that lies right and in front of the body's centre; all in mm."""
        x, y, z = self.place.centre_mm
        return [z, x + right, y + front, half_width, half_depth]


@dataclass(frozen=True)
class Spine:
    """Holds the vertebrae from top to bottom and the sacrum, whose top lies at (0, 0, 0) mm."""

    levels: tuple[Level, ...]
    sacrum: Placement
    scale: float
    """The person's size: 1 is the mean of adults."""
    cobb_deg: float
    """Largest difference of coronal tilt between two vertebrae."""

    def level(self, label: int) -> Level:
        """Return the vertebra with this VerSe id; where the person has none, its neighbour."""
        return min(self.levels, key=lambda one: abs(row_of(one.label) - row_of(label)))


def row_of(label: int) -> float:
    """Return the place of a VerSe id in the chain: C1 is 0, L5 is 23, T13 lies between T12 and L1."""
    return 18.5 if label == T13 else label - 1.0


def along_spine(spine: Spine, first: float, last: float) -> list[Level]:
    """Return the levels between two rows of the chain (C1 = 0, L5 = 23), from top to bottom."""
    return [level for level in spine.levels if first <= level.row <= last]


def draw_labels(rng: np.random.Generator) -> tuple[int, ...]:
    """Draw one person's VerSe ids from top to bottom: 24 in 92 %; else T13 or L6 in addition, or no T12."""
    kind = rng.random()
    if kind < 0.03:
        return (*range(C1, L1), T13, *range(L1, L6))
    if kind < 0.06:
        return (*REGULAR, L6)
    if kind < 0.08:
        return tuple(label for label in REGULAR if label != T12)
    return REGULAR


def draw_spine(rng: np.random.Generator, labels: tuple[int, ...], cobb_deg: float, apex_row: float) -> Spine:
    """Draw sizes and places of all vertebrae of one person.

    Args:
        rng: draws the person's scale, curves, discs and sizes.
        labels: VerSe ids from top to bottom.
        cobb_deg: the scoliosis' Cobb angle in degrees.
        apex_row: its apex, as a place in the chain, C1 = 0.
    """
    # Some are children, from about five years on.
    small = rng.random() < CHILDREN
    scale = float(rng.uniform(0.6, 0.85) if small else np.clip(rng.normal(1.0, 0.065), 0.84, 1.18))
    stretch = {name: float(np.clip(rng.normal(1, 0.05), 0.85, 1.15)) for name in _ANCHORS}
    thin_discs = float(rng.choice([1.0, 0.9, 0.7], p=[0.5, 0.3, 0.2]))
    rows = np.array([min(row_of(label), 23.0) for label in labels])
    order = np.arange(len(labels), dtype=float)
    table = {name: np.interp(rows, list(at), list(at.values())) for name, at in _ANCHORS.items()}
    lordosis, lean = rng.uniform(0.45, 1.25), rng.normal(0, 4)
    # Round backs and flat ones: the thoracic curve has a strength of its own.
    kyphosis = rng.uniform(0.6, 2.3)
    bend = np.interp(rows, [5, 9, 14, 18], [lordosis, kyphosis, kyphosis, lordosis])
    tilt = np.radians(table.pop("tilt_deg") * bend + lean + rng.normal(0, 1.0, len(rows)))
    coronal, axial = _scoliosis(rng, rows, cobb_deg, apex_row)
    sizes = []
    for k in range(len(rows)):
        size = {n: float(v[k]) * (stretch[n] if "deg" in n else scale * stretch[n]) for n, v in table.items()}
        for name in ("width", "depth", "height", "spinous", "transverse"):
            size[name] *= float(rng.normal(1, 0.02))
        worn = rng.uniform(0.2, 0.6) if rng.random() < (0.14 if rows[k] >= 21 else 0.06) else 1.0
        size["disc"] *= thin_discs * float(rng.uniform(0.75, 1.1) * worn)
        sizes.append(size)
    point, places = np.zeros(3), []
    turn = rotation(-np.radians(_SACRAL_TILT_DEG * lordosis + lean), 0.0, 0.0)
    sacrum = Placement(np.zeros(3), turn)
    for k in order.astype(int)[::-1]:
        above = rotation(-tilt[k], coronal[k], axial[k])
        # A disc is a wedge: half of it goes along each neighbour's axis.
        point = point + (turn + above)[:, 2] * sizes[k]["disc"] / 2 + above[:, 2] * sizes[k]["height"] / 2
        places.append(Placement(point, above))
        point, turn = point + above[:, 2] * sizes[k]["height"] / 2, above
    levels = tuple(
        Level(int(label), float(row), size, place)
        for label, row, size, place in zip(labels, rows, sizes, places[::-1], strict=True)
    )
    return Spine(levels, sacrum, scale, float(np.degrees(coronal.max() - coronal.min())))


def _scoliosis(rng, rows, cobb_deg, apex_row):
    """Coronal tilt and axial rotation in radians: one curve, with smaller counter-curves that bring the head back."""
    length = rng.uniform(6.5, 9.0)
    phase = (rows - apex_row) / length
    curve = np.sin(np.pi * phase) * np.exp(-((phase / 1.3) ** 2))
    curve *= rng.choice([-1, 1]) * np.radians(cobb_deg) / max(np.ptp(curve), 1e-6)
    # By vertebra, not by row: L6 shares the row of L5.
    return curve, np.gradient(curve) * length * 0.25
