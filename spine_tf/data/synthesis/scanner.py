"""Makes a synthetic scan look like another scanner's or another person's: bone, shading, offset, window."""

from dataclasses import replace

import numpy as np
from scipy import ndimage

from spine_tf.data.synthesis.phantom.physics import HU_RANGE, Appearance
from spine_tf.data.synthesis.phantom.shapes import Frame
from spine_tf.data.synthesis.phantom.smoothing import smooth_noise
from spine_tf.data.synthesis.phantom.tissue import Scene, Tissue

_HOLLOW = (Tissue.AIR, Tissue.LUNG, Tissue.GAS, Tissue.FOAM)
_ENDPLATE_MM = 4.0
NO_DATA_HU = HU_RANGE[0] + 4
"""A voxel up to this holds no data: air is noisier."""


def make_wild(appearance: Appearance, rng: np.random.Generator) -> Appearance:
    """Return an appearance with contrasts that no scanner gives: soft tissues off by up to 80 HU, and any bone."""
    tissue_hu = appearance.tissue_hu + rng.uniform(-80, 80, len(appearance.tissue_hu)).astype(np.float32)
    tissue_hu[list(_HOLLOW)] = appearance.tissue_hu[list(_HOLLOW)]
    bone = {"trabecular_hu": float(rng.uniform(100, 450)), "cortical_hu": float(rng.uniform(350, 1600))}
    return replace(appearance, tissue_hu=tissue_hu, **bone)


def vary_bone(appearance: Appearance, rng: np.random.Generator) -> Appearance:
    """Return an appearance whose cortex is, in 60 %, duller than in books: it is porous, and thinner than a voxel."""
    return replace(appearance, cortical_hu=float(rng.uniform(400, 1000))) if rng.random() < 0.6 else appearance


def roughen_bone(hu: np.ndarray, scene: Scene, appearance: Appearance, rng: np.random.Generator) -> dict:
    """Add patches, upright strands, dense bone below the cortex and worn endplates to the HU of bone, in place.

    Args:
        hu: float32 HU (x, y, z), on the scene's grid; where it has no data nothing is added.
        scene: tissue and bone.
        appearance: gives the HU of spongy bone.
        rng: draws how much of each.

    Returns:
        what was drawn, as plain JSON types.
    """
    frame, depth = scene.frame, scene.bones.depth_mm
    inside = (depth > 0.5) & (hu > NO_DATA_HU)
    mottle, dense_hu = float(rng.uniform(0, 0.3)), float(rng.uniform(0, 200))
    worn_hu = float(rng.uniform(50, 450) if rng.random() < 0.5 else 0.0)
    patches = smooth_noise(rng, frame, 12.0)[inside]
    grain = 0.6 * smooth_noise(rng, frame, 3.0)[inside] + 0.6 * smooth_noise(rng, frame, (2.5, 2.5, 9.0))[inside]
    strength = np.float32(mottle * (appearance.trabecular_hu + 60))
    added = strength * (grain + np.float32(0.5) * patches)
    added += np.float32(dense_hu) * np.exp(-depth[inside] / np.float32(3.0))
    if worn_hu:
        disc = ((scene.tissue == Tissue.DISC) & (depth < -0.3)).view(np.uint8)
        size = 2 * int(_ENDPLATE_MM / frame.spacing_mm[2]) + 1
        by_disc = ndimage.maximum_filter1d(disc, size, axis=2)[inside] > 0
        added += np.float32(worn_hu) * by_disc * np.clip(patches, 0, 1.5)
    hu[inside] += added
    return {"mottle": round(mottle, 2), "dense_hu": round(dense_hu), "worn_hu": round(worn_hu)}


def apply_scanner(hu: np.ndarray, frame: Frame, wild: bool, rng: np.random.Generator) -> tuple[np.ndarray, dict]:
    """Apply what scanners and archives do besides what rendering does: slow shading, an offset, a clipping window.

    Args:
        hu: float32 HU (x, y, z).
        frame: its grid.
        wild: larger offsets, and clipping.
        rng: draws how much of each.

    Returns:
        float32 HU within HU_RANGE, unchanged where there are no data; and what was drawn, as plain JSON types.
    """
    shading = float(rng.uniform(3, 12)) if rng.random() < 0.3 else 0.0
    offset = float(rng.uniform(-50, 50) if wild else rng.normal(0, 4))
    window = HU_RANGE
    if wild and rng.random() < 0.4:
        window = (round(rng.uniform(-1024, -180)), round(rng.uniform(500, 2000)))
    seen, empty = hu + np.float32(offset), hu <= NO_DATA_HU
    if shading:
        seen += np.float32(shading) * smooth_noise(rng, frame, 130.0) * (hu > -800)
    seen = np.where(empty, hu, np.clip(seen, *window))
    told = {"shading_hu": round(shading, 1), "offset_hu": round(offset, 1), "window_hu": [int(v) for v in window]}
    return seen, told
