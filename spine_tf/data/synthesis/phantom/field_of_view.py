"""Draws the field of view of a phantom: which part of the spine, how much around it, at which spacing."""

import numpy as np

from spine_tf.data.synthesis.phantom.shapes import Frame
from spine_tf.data.synthesis.phantom.spine import Spine
from spine_tf.data.synthesis.phantom.trunk import Trunk

MAX_VOXELS = 4_000_000
THICKEST_MM = 5.0
_SPAN = {
    "cervical": (1, 10),
    "thoracic": (8, 19),
    "lumbar": (19, 24),
    "thoracolumbar": (14, 24),
    "whole": (1, 24),
    "pelvis": (24, 24),
    "head": (1, 3),
}
"""First and last VerSe id in the field of view."""
AROUND = {"narrow": 0.33, "spine": 0.2, "trunk": 0.47}
"""How much lies around the spine, and how often: the spine alone, with its muscles, or the trunk with air and table."""
_BELOW_MM = {"lumbar": (20, 290), "thoracolumbar": (20, 290), "whole": (60, 330), "pelvis": (150, 270)}
_ABOVE_MM = {"cervical": (0, 150), "whole": (20, 170), "head": (90, 170)}
"""How far a scan of the trunk goes on beyond the span: down to the thighs, up to the top of the skull."""


def draw_frame(
    rng: np.random.Generator, spine: Spine, trunk: Trunk, region: str, shape=None, spacing_mm=None
) -> tuple[Frame, str]:
    """Draw the voxel grid.

    Args:
        rng: draws it.
        spine, trunk: the person, see `anatomy.draw_anatomy`.
        region: one of `anatomy.REGIONS`; "pelvis" and "head" are only seen with the trunk around them.
        shape: (nx, ny, nz) to force; None: what the drawn extent needs, at most MAX_VOXELS voxels.
        spacing_mm: to force, a number or one per axis; None: 0.7 to 5 mm, drawn.

    Returns:
        the frame, and how much lies around the spine, a key of AROUND.
    """
    around = str(rng.choice(list(AROUND), p=list(AROUND.values())))
    if region in ("pelvis", "head"):
        around = "trunk"
    first, last = (spine.level(label) for label in _SPAN[region])
    inner = [
        one for one in spine.levels if last.place.centre_mm[2] <= one.place.centre_mm[2] <= first.place.centre_mm[2]
    ]
    if around == "narrow" and len(inner) > 6 and rng.random() < 0.45:
        # A crop of a few vertebrae.
        count = int(rng.integers(4, 9))
        start = int(rng.integers(0, max(len(inner) - count, 0) + 1))
        inner = inner[start : start + count]
        first, last = inner[0], inner[-1]
    points = np.array([one.place.centre_mm for one in inner])
    low_z = points[-1, 2] - last.size["height"] * rng.uniform(-0.3, 2.2)
    high_z = points[0, 2] + first.size["height"] * rng.uniform(-0.3, 1.6)
    often, share = {"narrow": (0.1, 0.3), "spine": (0.25, 0.3), "trunk": (0.75, 1.0)}[around]
    if rng.random() < often:
        low_z -= rng.uniform(*_BELOW_MM.get(region, (0, 60))) * share
    if rng.random() < often:
        high_z += rng.uniform(*_ABOVE_MM.get(region, (0, 60))) * share
    low_z -= 150 * spine.scale * (region == "pelvis")
    high_z += 90 * spine.scale * (region == "head")
    sizes = [[one.size[name] for one in inner] for name in ("depth", "canal_depth", "spinous")]
    depth, canal, spinous = np.array(sizes)
    rear, front = (points[:, 1] - depth / 2 - canal - spinous).min(), (points[:, 1] + depth / 2).max()
    if around == "narrow":
        half, middle = rng.uniform(26, 58), rng.normal(0, 6)
        x = (points[:, 0].min() * 0.8 - half + middle, points[:, 0].max() * 0.8 + half + middle)
        y = (rear - rng.uniform(-8, 45), front + rng.uniform(4, 55))
    elif around == "spine":
        half, middle = rng.uniform(60, 120), points[:, 0].mean() + rng.normal(0, 12)
        x = (middle - half, middle + half)
        y = (rear - rng.uniform(5, 60), front + rng.uniform(15, 120))
    else:
        near = (trunk.z > low_z - 60) & (trunk.z < high_z + 60)
        # Some fields cut the flanks, some hold the arms too.
        half = max(trunk.skin[near, 0].max(), 90) * rng.uniform(0.75, 1.35)
        shift = rng.normal(0, 8)
        x = (shift - half, shift + half)
        middle, half = trunk.skin_centre[near, 1], trunk.skin[near, 1]
        y = ((middle - half).min() - rng.uniform(-10, 110), (middle + half).max() + rng.uniform(-30, 70))
    low, high = np.array([x[0], y[0], low_z]), np.array([x[1], y[1], high_z])
    extent = high - low
    if spacing_mm is None and shape is None:
        spacing_mm = _draw_spacing(rng, extent)
    elif spacing_mm is None:
        fitting = np.maximum(extent / shape, 0.5)
        # Nearly isotropic: where the extent is short, the grid sees further than was drawn.
        spacing_mm = np.maximum(fitting, fitting.max() - 0.7)
    spacing = np.broadcast_to(np.asarray(spacing_mm, float), 3)
    if shape is None:
        shape = tuple(int(n) for n in np.maximum(np.round(extent / spacing), 8))
    origin = (low + high) / 2 - (np.array(shape) - 1) / 2 * spacing
    return Frame(tuple(shape), tuple(spacing.round(4).tolist()), tuple(origin.round(3).tolist())), around


def _draw_spacing(rng, extent) -> np.ndarray:
    """As clinical scans have it: thin isotropic, thick axial, or sagittal reformats; coarser when there is too much."""
    kind = rng.choice(["isotropic", "axial", "sagittal"], p=[0.38, 0.38, 0.24])
    plane = rng.uniform(0.7, 1.3)
    spacing = np.full(3, plane if kind != "isotropic" else rng.uniform(0.8, 1.5))
    if kind == "axial":
        spacing[2] = rng.uniform(1.2, THICKEST_MM)
    elif kind == "sagittal":
        spacing[0] = rng.uniform(1.5, 3.5)
    too_many = float(np.prod(extent / spacing)) / MAX_VOXELS
    if too_many > 1:
        spacing = spacing * too_many ** (1 / 3) * 1.01
        while spacing.max() > THICKEST_MM and spacing.min() < THICKEST_MM - 0.01:
            # No axis beyond the thickest: what it gives up, the others take.
            spacing = np.minimum(spacing, THICKEST_MM)
            free = spacing < THICKEST_MM
            rest = float(np.prod(extent / spacing)) / MAX_VOXELS
            if rest <= 1 or not free.any():
                break
            spacing[free] *= (rest * 1.01) ** (1 / free.sum())
    return np.minimum(spacing, THICKEST_MM)
