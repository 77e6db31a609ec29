"""Draws and paints the trunk around the spine: its width and depth by height, skin, fat, muscles and lungs."""

from dataclasses import dataclass

import numpy as np

from spine_tf.data.synthesis.phantom.shapes import Frame
from spine_tf.data.synthesis.phantom.smoothing import smooth_noise
from spine_tf.data.synthesis.phantom.spine import Spine
from spine_tf.data.synthesis.phantom.tissue import Tissue

# Landmark (VerSe id, or mm above the top of the sacrum below 0 / above C1): half width, half depth of the skin, and of
# the rib cage, in mm for a person of medium build.
_PROFILE = (
    (("below", -400), 165, 85, 150, 85),
    (("below", -160), 182, 112, 150, 90),
    (("below", -60), 178, 118, 150, 90),
    (("at", 23), 158, 108, 130, 85),
    (("at", 20), 154, 110, 128, 88),
    (("at", 17), 160, 116, 138, 92),
    (("at", 14), 164, 116, 140, 93),
    (("at", 11), 178, 110, 125, 80),
    (("at", 9), 195, 97, 98, 63),
    (("at", 8), 170, 88, 65, 46),
    (("at", 7), 105, 72, 40, 34),
    (("at", 6), 66, 62, 30, 30),
    (("at", 4), 62, 70, 30, 30),
    (("at", 3), 66, 84, 30, 30),
    (("above", 12), 80, 102, 30, 30),
    (("above", 80), 81, 103, 30, 30),
    (("above", 125), 60, 78, 30, 30),
    (("above", 146), 26, 36, 30, 30),
    (("above", 154), 1, 1, 30, 30),
)
# How far behind the top of the sacrum the skin of the buttocks lies, in mm at the lowest three heights of _PROFILE.
_SEAT_MM = (72, 100, 102)
_FIRST_OF_HEAD = 13
CROTCH_MM = -168.0
"""Height below which there are two legs; for a person of scale 1."""
_LEG_MM = ((-430, 96, 62), (-300, 92, 76), (-180, 92, 90))
"""Height, distance of the leg's middle from the midline, radius."""
_SQUARE = 0.45
"""How square the trunk's section is: 0 an ellipse, 1 nearly a rectangle."""


@dataclass(frozen=True)
class Trunk:
    """Holds profiles over height in mm: skin and rib cage as ellipses, and the spine they are hung on."""

    z: np.ndarray
    """Heights, (n,), growing."""
    skin: np.ndarray
    """Half width and half depth, (n, 2)."""
    cage: np.ndarray
    skin_centre: np.ndarray
    """x and y of the middle, (n, 2)."""
    cage_centre: np.ndarray
    fat_mm: tuple[float, float]
    """Under the skin of the back, and of the belly."""
    chain_z: np.ndarray
    """Heights of the bodies, (m,), from below upwards."""
    chain: dict[str, np.ndarray]
    """By name, x, y and sizes of the bodies, (m,) each."""
    scale: float

    def at(self, profile: np.ndarray, z) -> np.ndarray:
        """Return a profile (n, 2) at heights z in mm, as two float32 arrays shaped like z."""
        return tuple(np.interp(z, self.z, profile[:, k]).astype(np.float32) for k in range(2))

    def skin_point(self, angle: float, z: float) -> np.ndarray:
        """Return a point (3,) of the skin at height z in mm; angle 0 is in front, positive to the right, in radians."""
        (half_x, half_y), (cx, cy) = self.at(self.skin, z), self.at(self.skin_centre, z)
        s, c = np.sin(angle), np.cos(angle)
        both = max(_SQUARE * s * s * c * c, 1e-6)
        # Solves t (s2 + c2) - square t2 s2 c2 = 1, the contour that `paint_trunk` draws.
        reach = np.sqrt((1 - np.sqrt(max(1 - 4 * both, 0.0))) / (2 * both))
        return np.array([cx + half_x * s * reach, cy + half_y * c * reach, z], float)

    def spine(self, name: str, z) -> np.ndarray:
        """Return x or y of the bodies or one of their sizes, by name, at heights z in mm, float32 shaped like z."""
        return np.interp(z, self.chain_z, self.chain[name]).astype(np.float32)


def draw_trunk(rng: np.random.Generator, spine: Spine) -> Trunk:
    """Draw one person's build around a spine: width, depth, fat and shoulders."""
    wide, deep = rng.normal(1, 0.08), np.clip(rng.normal(1.05, 0.12), 0.8, 1.4)
    # Most are neither thin nor very stout; some are.
    fat = (float(np.clip(rng.gamma(3.5, 5), 4, 60)), float(np.clip(rng.gamma(3.0, 8), 4, 85)))
    shoulders = rng.uniform(0.8, 1.15)
    levels = spine.levels[::-1]
    centres = np.array([level.place.centre_mm for level in levels])
    chain_z = np.concatenate([[-150, -20], centres[:, 2]])
    order = np.maximum.accumulate(chain_z + 1e-3 * np.arange(len(chain_z)))
    chain = {"x": np.concatenate([[0, 0], centres[:, 0]]), "y": np.concatenate([[-65, -8], centres[:, 1]])}
    for name in ("width", "depth", "canal_depth", "canal_width", "facet", "spinous"):
        sizes = np.array([level.size[name] for level in levels])
        chain[name] = np.concatenate([sizes[:1], sizes[:1], sizes])
    top = levels[-1].place.centre_mm[2]
    z, rows = [], []
    for (kind, where), *sizes in _PROFILE:
        height = where if kind == "below" else top + where if kind == "above" else spine.level(where).place.centre_mm[2]
        z.append(height)
        rows.append(sizes)
    z, rows = np.array(z, float), np.array(rows, float) * spine.scale
    rows[:, [0, 2]] *= wide
    rows[:, [1, 3]] *= deep
    rows[8:10, 0] *= shoulders
    rows[:10, 0] += np.mean(fat) - 15
    rows[:10, 1] += np.mean(fat) - 15
    x = np.interp(z, order, chain["x"]) * 0.6
    y = np.interp(z, order, chain["y"])
    y[:3] = np.multiply(_SEAT_MM, -spine.scale) + 60 * spine.scale
    reach = np.interp(z, order, chain["depth"] / 2 + chain["canal_depth"] + chain["spinous"] * 0.8)
    neck = np.clip((z - spine.level(8).place.centre_mm[2]) / 40, 0, 1)
    # On the table the back is flat: the skin follows the tips of the spinous processes only in part.
    back = y - reach - fat[0] - 4
    flat = np.minimum(back * 0.5 + back[2:9].mean() * 0.5, back + min(12, fat[0])) * (1 - neck) + (back + 4) * neck
    back = np.where(np.arange(len(z)) < 3, np.minimum(flat, back), flat)
    centre = back + rows[:, 1]
    # The head does not grow with the fat of the trunk; its middle lies a little in front of the spine.
    centre[_FIRST_OF_HEAD:] = levels[-1].place.centre_mm[1] + np.array([13, 10, 10, 8, 4, 4]) * spine.scale
    y_cage = y - 42 * spine.scale + rows[:, 3]
    middles = np.stack([x, centre], 1), np.stack([x, y_cage], 1)
    return Trunk(z, rows[:, :2], rows[:, 2:], *middles, fat, order, chain, spine.scale)


def paint_trunk(
    rng: np.random.Generator, frame: Frame, trunk: Trunk, diaphragm_z: float
) -> tuple[np.ndarray, np.ndarray]:
    """Paint skin, fat, the muscular wall, and lungs.

    Args:
        rng: draws what is uneven.
        frame: the voxel grid.
        trunk: see `draw_trunk`.
        diaphragm_z: height of the diaphragm in mm.

    Returns:
        tissue: uint8 (x, y, z), and cavity: bool, inside of the muscular wall.
    """
    x, y, z = (frame.axis_mm(axis) for axis in range(3))
    (half_x, half_y), (cx, cy) = trunk.at(trunk.skin, z), trunk.at(trunk.skin_centre, z)
    wobble = smooth_noise(rng, frame, 45.0)
    # Far outside, the squared section would turn back on itself.
    px, py = (np.minimum(np.square(d), np.float32(2)) for d in ((x - cx) / half_x, (y - cy) / half_y))
    radius = np.sqrt(np.maximum(px + py - np.float32(_SQUARE) * px * py, 1e-4))
    depth = (1 - radius) * (half_x * px + half_y * (py + np.float32(1e-3))) / (px + py + np.float32(1e-3)) + wobble
    depth = np.where(z > trunk.z[-1], np.float32(-9), depth)
    if z.min() < CROTCH_MM * trunk.scale + 40:
        depth = _with_legs(depth, trunk, x - cx, y - cy, z, wobble)
    behind = np.clip((cy - y) / half_y * np.float32(0.8) + np.float32(0.5), 0, 1)
    neck = np.clip((z - trunk.z[9]) / 30, 0, 1).astype(np.float32)
    fat = (trunk.fat_mm[1] + (trunk.fat_mm[0] - trunk.fat_mm[1]) * behind) * (1 - np.float32(0.75) * neck)
    fat = fat + np.float32(2) * wobble
    tissue = np.zeros(frame.shape, np.uint8)
    tissue[depth > 0] = Tissue.SKIN
    tissue[depth > 2] = Tissue.FAT
    tissue[depth > fat + 2] = Tissue.MUSCLE
    cavity = depth > fat + np.float32(12) + np.float32(10) * behind
    cavity &= z > np.float32(CROTCH_MM * trunk.scale + 8)
    tissue[cavity & (z < np.float32(trunk.chain_z[-1]))] = Tissue.FAT
    _paint_lungs(rng, frame, trunk, tissue, cavity, diaphragm_z, wobble)
    return tissue, cavity


def _with_legs(depth, trunk: Trunk, x, y, z, wobble):
    """The trunk's depth, and from the crotch down that of two legs."""
    heights, aside, radius = np.array(_LEG_MM).T * trunk.scale
    stout = np.mean(trunk.fat_mm) - 15
    across = np.abs(x) - np.interp(z, heights, aside + stout * 0.5).astype(np.float32)
    legs = np.interp(z, heights, radius + stout * 0.4).astype(np.float32) - np.sqrt(np.square(across) + np.square(y))
    legs = np.minimum(legs, np.abs(x) - 1) + wobble
    crotch = np.float32(CROTCH_MM * trunk.scale)
    # Towards the crotch the trunk draws in, so that belly and buttocks end round.
    above = np.clip((crotch + 45 - z) / 45, 0, 1)
    return np.where(z < crotch, legs, np.maximum(depth - 40 * above * above, np.where(above > 0, legs, -9)))


def _paint_lungs(rng, frame, trunk, tissue, cavity, diaphragm_z, wobble):
    box = frame.box((-1e4, -1e4, diaphragm_z - 90), (1e4, 1e4, trunk.z[10]))
    if not tissue[box].size:
        return
    x, y, z = (frame.axis_mm(axis, box[axis]) for axis in range(3))
    (half_x, half_y), (cx, cy) = trunk.at(trunk.cage, z), trunk.at(trunk.cage_centre, z)
    px, py = np.square((x - cx) / half_x), np.square((y - cy) / half_y)
    radius2 = px + py - np.float32(0.25) * px * py
    # Outside the ribs lie the muscles of chest and shoulder, with fat between them.
    outside = cavity[box] & (radius2 > 1.1) & (np.abs(wobble[box]) < 1.3)
    tissue[box][outside] = Tissue.MUSCLE
    inner = np.square(1 - np.float32(9) / np.minimum(half_x, half_y))
    dome = np.float32(diaphragm_z) + np.where(x > cx, np.float32(8), np.float32(-8)) - 75 * radius2 + 3 * wobble[box]
    sx, sy = trunk.spine("x", z), trunk.spine("y", z)
    ahead = np.clip((y - sy) / 90, 0, 1)
    # Beside the bodies the lung touches the spine; further in front it leaves room for the heart and great vessels.
    aside = np.abs(x - sx) > trunk.spine("width", z) / 2 + 3 + 12 * ahead + 2 * wobble[box]
    rear = sy - trunk.spine("depth", z) / 2 - trunk.spine("canal_depth", z) - 2
    behind = y > rear - np.abs(x - sx) * np.float32(0.12)
    lung = (radius2 < inner) & (z > dome) & aside & behind
    lung &= z < np.float32(trunk.z[9] + 22) - 45 * radius2
    tissue[box][lung] = Tissue.LUNG
    # Vessels and airways run where two independent smooth fields vanish together: along curves.
    for scale, thick in ((28.0, 0.02), (14.0, 0.012)):
        sub = frame.part(box)
        curve = np.square(smooth_noise(rng, sub, scale)) + np.square(smooth_noise(rng, sub, scale))
        tissue[box][lung & (curve < thick * (1 + max(frame.spacing_mm) / 3))] = Tissue.VESSEL
