"""The trunk around the spine: how wide and deep it is at which height, and skin, fat, muscles and lungs in it."""

from dataclasses import dataclass

import numpy as np

from spine_tf.datasets.phantom.shapes import Frame, smooth_noise
from spine_tf.datasets.phantom.spine import Spine
from spine_tf.datasets.phantom.tissue import Tissue

# Landmark (VerSe id, or mm above the top of the sacrum below 0 / above C1): half width, half depth of the skin, and of
# the rib cage, in mm for a person of medium build.
_PROFILE = (
    (("below", -400), 165, 85, 150, 85),
    (("below", -160), 182, 112, 150, 90),
    (("below", -60), 178, 112, 150, 90),
    (("at", 23), 158, 108, 130, 85),
    (("at", 20), 154, 110, 128, 88),
    (("at", 17), 160, 116, 138, 92),
    (("at", 14), 164, 116, 140, 93),
    (("at", 11), 178, 108, 125, 80),
    (("at", 9), 195, 92, 98, 63),
    (("at", 8), 170, 80, 65, 46),
    (("at", 7), 105, 70, 40, 34),
    (("at", 6), 66, 62, 30, 30),
    (("at", 3), 64, 74, 30, 30),
    (("at", 1), 78, 106, 30, 30),
    (("above", 60), 80, 108, 30, 30),
    (("above", 135), 50, 60, 30, 30),
)


@dataclass(frozen=True)
class Trunk:
    """Profiles over z in mm: skin and rib cage as ellipses, and the spine they are hung on."""

    z: np.ndarray
    skin: np.ndarray
    cage: np.ndarray
    skin_centre: np.ndarray
    cage_centre: np.ndarray
    fat_mm: tuple[float, float]
    """Under the skin of the back, and of the belly."""
    chain_z: np.ndarray
    chain: dict[str, np.ndarray]

    def at(self, profile: np.ndarray, z) -> np.ndarray:
        """A profile (n, 2) at heights z, as two float32 arrays shaped like z."""
        return tuple(np.interp(z, self.z, profile[:, k]).astype(np.float32) for k in range(2))

    def spine(self, name: str, z) -> np.ndarray:
        """x or y of the bodies, or one of their sizes, at heights z in mm, float32."""
        return np.interp(z, self.chain_z, self.chain[name]).astype(np.float32)


def draw_trunk(rng: np.random.Generator, spine: Spine) -> Trunk:
    """One person's build around a spine."""
    wide, deep = rng.normal(1, 0.08), rng.normal(1, 0.1)
    fat = (float(rng.uniform(6, 35)), float(rng.uniform(6, 45)))
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
    reach = np.interp(z, order, chain["depth"] / 2 + chain["canal_depth"] + chain["spinous"] * 0.8)
    neck = np.clip((z - spine.level(8).place.centre_mm[2]) / 40, 0, 1)
    # On the table the back is flat: the skin follows the tips of the spinous processes only in part.
    back = y - reach - fat[0] - 4
    back = np.minimum(back * 0.5 + back[2:9].mean() * 0.5, back + 12) * (1 - neck) + (back + 4) * neck
    y_cage = y - 42 * spine.scale + rows[:, 3]
    return Trunk(
        z,
        rows[:, :2],
        rows[:, 2:],
        np.stack([x, back + rows[:, 1]], 1),
        np.stack([x, y_cage], 1),
        fat,
        order,
        chain,
    )


def paint_trunk(
    rng: np.random.Generator, frame: Frame, trunk: Trunk, diaphragm_z: float
) -> tuple[np.ndarray, np.ndarray]:
    """Skin, fat, the muscular wall, and lungs.

    Returns:
        tissue: uint8 (x, y, z), and cavity: bool, inside of the muscular wall.
    """
    x, y, z = (frame.axis_mm(axis) for axis in range(3))
    (half_x, half_y), (cx, cy) = trunk.at(trunk.skin, z), trunk.at(trunk.skin_centre, z)
    wobble = smooth_noise(rng, frame, 45.0)
    px, py = np.square((x - cx) / half_x), np.square((y - cy) / half_y)
    radius = np.sqrt(np.maximum(px + py - np.float32(0.45) * px * py, 1e-4))
    depth = (1 - radius) * (half_x * px + half_y * (py + np.float32(1e-3))) / (px + py + np.float32(1e-3)) + wobble
    behind = np.clip((cy - y) / half_y * np.float32(0.8) + np.float32(0.5), 0, 1)
    neck = np.clip((z - trunk.z[9]) / 30, 0, 1).astype(np.float32)
    fat = (trunk.fat_mm[1] + (trunk.fat_mm[0] - trunk.fat_mm[1]) * behind) * (1 - np.float32(0.75) * neck)
    fat = fat + np.float32(2) * wobble
    tissue = np.zeros(frame.shape, np.uint8)
    tissue[depth > 0] = Tissue.SKIN
    tissue[depth > 2] = Tissue.FAT
    tissue[depth > fat + 2] = Tissue.MUSCLE
    cavity = depth > fat + np.float32(12) + np.float32(10) * behind
    tissue[cavity & (neck < 0.5)] = Tissue.FAT
    _paint_lungs(rng, frame, trunk, tissue, diaphragm_z, wobble)
    return tissue, cavity


def _paint_lungs(rng, frame, trunk, tissue, diaphragm_z, wobble):
    box = frame.box((-1e4, -1e4, diaphragm_z - 90), (1e4, 1e4, trunk.z[10]))
    if not tissue[box].size:
        return
    x, y, z = (frame.axis_mm(axis, box[axis]) for axis in range(3))
    (half_x, half_y), (cx, cy) = trunk.at(trunk.cage, z), trunk.at(trunk.cage_centre, z)
    px, py = np.square((x - cx) / half_x), np.square((y - cy) / half_y)
    radius2 = px + py - np.float32(0.25) * px * py
    inner = np.square(1 - np.float32(9) / np.minimum(half_x, half_y))
    dome = np.float32(diaphragm_z) + np.where(x > cx, np.float32(8), np.float32(-8)) - 75 * radius2 + 3 * wobble[box]
    sx, sy = trunk.spine("x", z), trunk.spine("y", z)
    ahead = np.clip((y - sy) / 90, 0, 1)
    # Beside the bodies the lung touches the spine; further in front it leaves room for the heart and great vessels.
    aside = np.abs(x - sx) > trunk.spine("width", z) / 2 + 3 + 12 * ahead + 2 * wobble[box]
    behind = y > sy - trunk.spine("depth", z) / 2 - trunk.spine("canal_depth", z) - 2 - np.abs(x - sx) * np.float32(
        0.12
    )
    lung = (radius2 < inner) & (z > dome) & aside & behind
    lung &= z < np.float32(trunk.z[9] + 22) - 45 * radius2
    tissue[box][lung] = Tissue.LUNG
    # Vessels and airways run where two independent smooth fields vanish together: along curves.
    for scale, thick in ((28.0, 0.02), (14.0, 0.012)):
        sub = Frame(
            tuple(s.stop - s.start for s in box),
            frame.spacing_mm,
            tuple(float(frame.axis_mm(axis, box[axis]).flat[0]) for axis in range(3)),
        )
        curve = np.square(smooth_noise(rng, sub, scale)) + np.square(smooth_noise(rng, sub, scale))
        tissue[box][lung & (curve < thick * (1 + max(frame.spacing_mm) / 3))] = Tissue.VESSEL
