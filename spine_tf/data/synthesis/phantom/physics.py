"""Renders a scene as CT: HU of tissues, bone shell and texture, metal streaks, blur and noise of the scanner."""

from dataclasses import dataclass

import numpy as np

from spine_tf.data.synthesis.phantom.artefacts import grain, hardening, metal_streaks, unseen
from spine_tf.data.synthesis.phantom.smoothing import blur, smooth_noise
from spine_tf.data.synthesis.phantom.tissue import Scene, Tissue
from spine_tf.scans.labels import LAST_LABEL

HU_RANGE = (-1024, 3071)
METAL_HU = 3071.0
MARROW_HU = -80.0

# Mean HU: range over persons; texture: standard deviation of what is uneven inside (scale about 3 mm).
_TISSUES = {
    Tissue.AIR: (-1010, -990, 0),
    Tissue.SKIN: (-10, 40, 10),
    Tissue.FAT: (-112, -88, 10),
    Tissue.MUSCLE: (42, 68, 10),
    Tissue.SOFT: (25, 55, 10),
    Tissue.LUNG: (-900, -760, 30),
    Tissue.VESSEL: (-300, 20, 60),
    Tissue.ARTERY: (35, 50, 5),
    Tissue.VEIN: (35, 50, 5),
    Tissue.HEART: (35, 50, 8),
    Tissue.LIVER: (30, 68, 6),
    Tissue.SPLEEN: (42, 56, 5),
    Tissue.KIDNEY: (28, 40, 8),
    Tissue.BOWEL: (25, 50, 12),
    Tissue.FLUID: (0, 30, 8),
    Tissue.GAS: (-1000, -900, 15),
    Tissue.STOOL: (-180, 90, 130),
    Tissue.ORAL_CONTRAST: (150, 650, 40),
    Tissue.DISC: (60, 120, 12),
    Tissue.CORD: (30, 48, 4),
    Tissue.CSF: (8, 25, 4),
    Tissue.CARTILAGE: (70, 140, 20),
    Tissue.CALCIUM: (400, 1300, 200),
    Tissue.BRAIN: (28, 42, 4),
    Tissue.TABLE: (-400, 150, 20),
    Tissue.FOAM: (-985, -900, 5),
    Tissue.CALCIFIED: (130, 600, 120),
    Tissue.URINE: (0, 15, 4),
    Tissue.MEDULLA: (28, 40, 5),
    Tissue.RIGHT_HEART: (35, 50, 8),
    Tissue.INFLOW: (35, 50, 8),
    Tissue.THYROID: (70, 130, 10),
    Tissue.PORTAL: (30, 45, 5),
}
_ENHANCED = {
    "arterial": {
        Tissue.ARTERY: (220, 480), Tissue.HEART: (180, 430), Tissue.RIGHT_HEART: (100, 480), Tissue.INFLOW: (150, 1100),
        Tissue.KIDNEY: (120, 260), Tissue.MEDULLA: (50, 110), Tissue.SPLEEN: (80, 150), Tissue.THYROID: (120, 220),
        Tissue.VESSEL: (-200, 250), Tissue.PORTAL: (40, 90), Tissue.BOWEL: (40, 100),
    },
    "venous": {
        Tissue.ARTERY: (120, 200), Tissue.VEIN: (110, 190), Tissue.HEART: (110, 190), Tissue.RIGHT_HEART: (110, 190),
        Tissue.INFLOW: (110, 300), Tissue.KIDNEY: (150, 270), Tissue.MEDULLA: (110, 230), Tissue.SPLEEN: (100, 135),
        Tissue.LIVER: (80, 125), Tissue.PORTAL: (130, 190), Tissue.MUSCLE: (55, 75), Tissue.VESSEL: (-250, 150),
        Tissue.THYROID: (110, 180), Tissue.BOWEL: (50, 110),
    },
    "late": {
        Tissue.ARTERY: (101, 140), Tissue.VEIN: (85, 135), Tissue.HEART: (85, 130), Tissue.RIGHT_HEART: (85, 130),
        Tissue.INFLOW: (85, 130), Tissue.KIDNEY: (110, 200), Tissue.MEDULLA: (120, 260), Tissue.SPLEEN: (75, 105),
        Tissue.LIVER: (70, 100), Tissue.PORTAL: (90, 130), Tissue.MUSCLE: (55, 75), Tissue.URINE: (250, 1800),
    },
}  # fmt: skip


@dataclass(frozen=True)
class Appearance:
    """Describes how one scan looks: HU by tissue, bone, scanner."""

    tissue_hu: np.ndarray
    """Mean HU, float32 (tissues,), by code of `Tissue`."""
    texture_hu: np.ndarray
    """Standard deviation of what is uneven inside, likewise."""
    trabecular_hu: float
    """Spongy bone of the bodies; falls with age and osteoporosis."""
    cortical_hu: float
    shell_mm: tuple[float, float]
    """Thickness of the cortical shell of bodies, and of arches and other bones."""
    contrast: str
    """"native", "arterial", "venous" or "late" (on its way out with the urine)."""
    kernel: str
    """"soft", "medium" or "sharp"."""
    blur_mm: float
    """Standard deviation of the scanner's blur."""
    noise_hu: float
    """Standard deviation of the noise inside the body."""
    sideways: float = 1.0
    """How much longer than high the grain is: photon starvation streaks from side to side."""
    padded_mm: tuple[float, float] = (0.0, 0.0)
    """Without data at the front and at the back of the grid."""
    trabeculae: float = 0.28
    """How uneven spongy bone is: standard deviation over mean."""
    overshoot: float = 0.0
    """Edge enhancement of a sharp kernel: this share of the local contrast is added."""
    slice_mm: float = 0.0
    """Thickness of the slices where they overlap; along the axis of the largest spacing."""
    starvation: float = 0.0
    """Growth of the noise with each cm of water that rays cross from side to side."""
    hardening: float = 0.0
    """Strength of the dark bands between dense bones; about 0 to 0.003."""
    circle: float | None = None
    """Radius of the round field of view, as a share of half the grid's longer side across; None: not to be seen."""
    wedge: tuple[int, float] | None = None
    """Axis (0 or 1) and slope of slanted borders without data, as resampling a turned grid leaves them."""
    motion: tuple[float, float, float] | None = None
    """Where along z (0..1) the patient breathed, over which share of it, and how far in mm."""

    def describe(self) -> dict:
        """Return what tells scans apart, as plain JSON types."""
        rounded = {"noise_hu": round(self.noise_hu, 1), "trabecular_hu": round(self.trabecular_hu, 1)}
        return {"contrast": self.contrast, "kernel": self.kernel} | rounded


def draw_appearance(rng: np.random.Generator) -> Appearance:
    """Draw how a scan looks: contrast, kernel, noise, bone density, and what the scanner does."""
    contrast = str(rng.choice(["native", "arterial", "venous", "late"], p=[0.38, 0.27, 0.27, 0.08]))
    low, high, texture = (np.array([row[k] for row in _TISSUES.values()], np.float32) for k in range(3))
    mean = rng.uniform(low, high).astype(np.float32)
    for tissue, (least, most) in _ENHANCED.get(contrast, {}).items():
        mean[tissue] = rng.uniform(least, most)
    if contrast == "venous" and rng.random() < 0.2:
        mean[Tissue.URINE] = rng.uniform(60, 700)
    kernel = str(rng.choice(["soft", "medium", "sharp"], p=[0.35, 0.35, 0.3]))
    # Every kernel's values are drawn, so that the kernel does not change what is drawn after them.
    blurs = {"soft": rng.uniform(0.6, 0.95), "medium": rng.uniform(0.45, 0.7), "sharp": rng.uniform(0.25, 0.5)}
    noises = {"soft": rng.uniform(5, 22), "medium": rng.uniform(10, 40), "sharp": rng.uniform(25, 95)}
    overshoots = {"soft": 0.0, "medium": rng.uniform(-0.2, 0.5), "sharp": rng.uniform(0, 1.4)}
    padded = (rng.uniform(0, 25), rng.uniform(0, 25)) if rng.random() < 0.1 else (0.0, 0.0)
    bone = rng.choice(["porotic", "usual", "young"], p=[0.22, 0.58, 0.2])
    trabecular = {"porotic": rng.uniform(20, 80), "usual": rng.normal(120, 28), "young": rng.uniform(170, 350)}[bone]
    thin = 0.75 if bone == "porotic" else 1.0
    return Appearance(
        tissue_hu=mean,
        texture_hu=texture,
        trabecular_hu=float(np.clip(trabecular, 20, 350)),
        cortical_hu=float(rng.uniform(750, 1600)),
        shell_mm=(float(rng.uniform(0.35, 0.9) * thin), float(rng.uniform(0.6, 1.8) * thin)),
        contrast=contrast,
        kernel=kernel,
        blur_mm=blurs[kernel],
        noise_hu=noises[kernel],
        sideways=float(rng.choice([1.0, rng.uniform(1.5, 4.0)])),
        padded_mm=padded,
        trabeculae=float(rng.uniform(0.15, 0.65)),
        overshoot=max(overshoots[kernel], 0.0),
        slice_mm=float(rng.uniform(1.0, 5.0) if rng.random() < 0.3 else 0.0),
        starvation=float(rng.uniform(0.0, 0.045)),
        hardening=float(rng.uniform(0.0005, 0.003) if rng.random() < 0.6 else 0.0),
        circle=float(rng.uniform(0.96, 1.2)) if rng.random() < 0.15 else None,
        wedge=(int(rng.integers(2)), float(rng.normal(0, 0.12))) if rng.random() < 0.1 else None,
        motion=(float(rng.random()), float(rng.uniform(0.1, 0.4)), float(rng.uniform(1, 4)))
        if rng.random() < 0.08
        else None,
    )


def render(scene: Scene, appearance: Appearance, rng: np.random.Generator) -> np.ndarray:
    """Render a scene as CT.

    Args:
        scene: any label map with a bone depth will do; nothing here knows anatomy.
        appearance: how the scan looks.
        rng: draws textures and noise.

    Returns:
        HU, int16 (x, y, z), clipped to HU_RANGE; its lower end where there are no data (see `artefacts.unseen`).
    """
    frame, spacing = scene.frame, np.array(scene.frame.spacing_mm)
    # Grain stands upright, as trabeculae do.
    fine = smooth_noise(rng, frame, np.maximum((2.0, 2.0, 3.2), 1.2 * spacing))
    hu = appearance.tissue_hu[scene.tissue]
    hu += appearance.texture_hu[scene.tissue] * fine
    _add_bone(hu, scene, appearance, fine, rng)
    hu[scene.metal] = METAL_HU * 2
    hu = _blurred(hu, appearance, spacing)
    if scene.metal.any():
        hu += metal_streaks(scene.metal, frame.spacing_mm, rng)
    if appearance.hardening:
        hu += hardening(hu, appearance.hardening, frame.spacing_mm)
    hu += grain(hu, frame, appearance, rng)
    if appearance.motion is not None:
        _move(hu, appearance.motion, spacing)
    empty = unseen(frame, appearance)
    if empty is not None:
        hu[empty] = HU_RANGE[0]
    return np.clip(np.rint(hu, out=hu), *HU_RANGE, out=hu).astype(np.int16)


def _blurred(hu, appearance, spacing) -> np.ndarray:
    # Voxels average over their own size, on top of the scanner's blur.
    sigma = np.maximum(appearance.blur_mm, 0.42 * spacing)
    thick = 2 if spacing[2] >= spacing.max() * 0.99 else int(spacing.argmax())
    # Slices that overlap by more than half are rare.
    sigma[thick] = max(sigma[thick], 0.36 * min(appearance.slice_mm, 2.2 * spacing[thick]))
    hu = blur(hu, sigma, spacing)
    if appearance.overshoot > 0.05 and min(spacing[:2]) < 2:
        hu += np.float32(appearance.overshoot) * (hu - blur(hu, (1.3, 1.3, 0), spacing))
    return hu


def _move(hu, motion, spacing) -> None:
    at, share, way_mm = motion
    first = int(at * hu.shape[2])
    part = hu[:, :, first : first + max(2, int(share * hu.shape[2]))]
    moved = max(1, round(way_mm / spacing[1]))
    if moved < hu.shape[1]:
        part[:, moved:] = 0.55 * part[:, moved:] + 0.45 * part[:, :-moved]


def _add_bone(hu, scene, appearance, fine, rng) -> None:
    bones, spacing = scene.bones, scene.frame.spacing_mm
    near = bones.depth_mm > -max(spacing)
    depth, owner, arch = bones.depth_mm[near], bones.owner[near], bones.arch[near] | (bones.owner[near] > LAST_LABEL)
    voxel = np.float32(max(0.6, float(np.prod(spacing)) ** (1 / 3) * 0.8))
    shell = np.where(arch, np.float32(appearance.shell_mm[1]), np.float32(appearance.shell_mm[0]))
    coarse = smooth_noise(rng, scene.frame, 9.0)[near]
    shell = shell * np.clip(1 + 0.45 * coarse, 0.3, 2.5) * _by_owner(scene.shell)[owner]
    coverage = np.clip(0.5 + depth / voxel, 0, 1)
    # The shell has no inner surface: it thins out into trabeculae.
    cortex = np.clip(0.5 + (shell - depth) / (voxel + 0.8), 0, 1)
    spongy = np.float32(appearance.trabecular_hu) * _by_owner(scene.trabecular)[owner]
    spongy *= np.where(arch, np.float32(1.2), np.float32(1))
    # Trabeculae: fine grain, coarser patches, and denser bone towards the shell.
    spongy = spongy * (1 + np.float32(appearance.trabeculae) * fine[near] + np.float32(0.16) * coarse)
    spongy += np.float32(0.3 * appearance.trabecular_hu + 90) * np.exp(-np.maximum(depth, 0) / 2.0)
    spongy = np.maximum(spongy + bones.extra_hu[near], np.float32(MARROW_HU))
    hard = np.maximum(np.float32(appearance.cortical_hu) * np.clip(1 + 0.12 * fine[near], 0.6, 1.4), spongy)
    hu[near] += (spongy + (hard - spongy) * cortex - hu[near]) * coverage


def _by_owner(factors: dict[int, float]) -> np.ndarray:
    table = np.ones(256, np.float32)
    for owner, factor in factors.items():
        table[owner] = factor
    return table
