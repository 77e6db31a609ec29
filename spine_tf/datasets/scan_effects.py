"""How a synthetic scan comes to look like another scanner's or another person's: bone, kernel, shading, borders."""

from dataclasses import replace

import numpy as np
from scipy import ndimage

from spine_tf.datasets.phantom.physics import HU_RANGE, Appearance
from spine_tf.datasets.phantom.shapes import Frame, blur, smooth_noise
from spine_tf.datasets.phantom.tissue import Scene, Tissue

_HOLLOW = (Tissue.AIR, Tissue.LUNG, Tissue.GAS, Tissue.FOAM)
_ENDPLATE_MM = 4.0


def make_wild(appearance: Appearance, rng: np.random.Generator) -> Appearance:
    """An appearance with contrasts outside those of real tissue: soft tissues by up to 80 HU, and any bone."""
    tissue_hu = appearance.tissue_hu + rng.uniform(-80, 80, len(appearance.tissue_hu)).astype(np.float32)
    tissue_hu[list(_HOLLOW)] = appearance.tissue_hu[list(_HOLLOW)]
    bone = {"trabecular_hu": float(rng.uniform(100, 450)), "cortical_hu": float(rng.uniform(350, 1600))}
    return replace(appearance, tissue_hu=tissue_hu, **bone)


def vary_bone(appearance: Appearance, rng: np.random.Generator) -> Appearance:
    """Some people's cortex is thin and dull throughout."""
    return replace(appearance, cortical_hu=float(rng.uniform(450, 900))) if rng.random() < 0.35 else appearance


def roughen_bone(hu: np.ndarray, scene: Scene, appearance: Appearance, rng: np.random.Generator) -> dict:
    """Patches, upright strands and worn endplates: added to the HU of bone in place.

    Args:
        hu: float32 (x, y, z), on the scene's grid.

    Returns:
        what was drawn, as plain JSON types.
    """
    frame, depth = scene.frame, scene.bones.depth_mm
    inside = depth > 0.5
    mottle, worn = float(rng.uniform(0, 0.4)), float(rng.uniform(50, 450) if rng.random() < 0.5 else 0.0)
    patches = smooth_noise(rng, frame, 12.0)[inside]
    grain = 0.6 * smooth_noise(rng, frame, 3.0)[inside] + 0.6 * smooth_noise(rng, frame, (2.5, 2.5, 9.0))[inside]
    strength = np.float32(mottle * (appearance.trabecular_hu + 60))
    added = strength * (grain + np.float32(0.5) * patches)
    if worn:
        disc = ((scene.tissue == Tissue.DISC) & (depth < -0.3)).view(np.uint8)
        size = 2 * int(_ENDPLATE_MM / frame.spacing_mm[2]) + 1
        by_disc = ndimage.maximum_filter1d(disc, size, axis=2)[inside] > 0
        added += np.float32(worn) * by_disc * np.clip(patches, 0, 1.5)
    hu[inside] += added
    return {"mottle": round(mottle, 2), "worn_hu": round(worn)}


def apply_scanner(hu: np.ndarray, frame: Frame, wild: bool, rng: np.random.Generator) -> tuple[np.ndarray, dict]:
    """What scanners and archives do: edges made sharper than they are, slow shading, an offset, a window that clips.

    Args:
        hu: float32 (x, y, z).
        wild: larger offsets, and clipping.

    Returns:
        float32 HU within HU_RANGE, and what was drawn, as plain JSON types.
    """
    sharpened = float(rng.uniform(0.2, 1.0)) if rng.random() < 0.3 else 0.0
    shading = float(rng.uniform(3, 12)) if rng.random() < 0.3 else 0.0
    offset = float(rng.uniform(-50, 50) if wild else rng.normal(0, 4))
    window = HU_RANGE
    if wild and rng.random() < 0.4:
        window = (round(rng.uniform(-1024, -180)), round(rng.uniform(500, 2000)))
    if sharpened:
        width = np.array([*np.maximum(0.8, 0.8 * np.array(frame.spacing_mm[:2])), 0.0])
        hu = hu + np.float32(sharpened) * (hu - blur(hu, width, np.array(frame.spacing_mm)))
    if shading:
        hu = hu + np.float32(shading) * smooth_noise(rng, frame, 130.0) * (hu > -800)
    hu = np.clip(hu + np.float32(offset), *window)
    told = {"sharpened": round(sharpened, 2), "shading_hu": round(shading, 1), "offset_hu": round(offset, 1)}
    return hu, told | {"window_hu": [int(v) for v in window]}


def draw_seen(frame: Frame, rng: np.random.Generator) -> tuple[np.ndarray, str]:
    """Which voxels have data: mostly all; in some scans a disc in each slice, or a box that was turned.

    Returns:
        bool that broadcasts to (x, y, z), and "none", "disc" or "turned".
    """
    kind = str(rng.choice(["none", "disc", "turned"], p=[0.84, 0.08, 0.08]))
    half = (np.array(frame.shape) - 1) / 2 * frame.spacing_mm
    x, y, z = (frame.axis_mm(axis) - np.float32(frame.origin_mm[axis] + half[axis]) for axis in range(3))
    if kind == "disc":
        radius = min(half[:2]) * rng.uniform(1.0, 1.3)
        return np.square(x) + np.square(y) < radius**2, kind
    if kind == "turned":
        angle, upright = np.radians(rng.uniform(3, 12) * rng.choice([-1, 1])), rng.random() < 0.5
        a, b, (ha, hb) = (y, z, half[1:]) if upright else (x, y, half[:2])
        ca, sa = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        return (np.abs(a * ca - b * sa) < ha * 1.02) & (np.abs(a * sa + b * ca) < hb * 1.02), kind
    return np.ones((1, 1, 1), bool), kind
