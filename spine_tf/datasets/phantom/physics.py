"""From a scene to HU: tissues, bone shell and texture, metal streaks, blur and noise of the scanner."""

from dataclasses import dataclass, field

import numpy as np

from spine_tf.datasets.phantom.shapes import blur, smooth_noise
from spine_tf.datasets.phantom.tissue import Scene, Tissue

HU_RANGE = (-1024, 3071)
METAL_HU = 3071.0

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
    Tissue.LIVER: (40, 68, 6),
    Tissue.SPLEEN: (42, 56, 5),
    Tissue.KIDNEY: (28, 40, 8),
    Tissue.BOWEL: (25, 50, 12),
    Tissue.FLUID: (0, 30, 8),
    Tissue.GAS: (-1000, -900, 15),
    Tissue.STOOL: (-180, 40, 130),
    Tissue.ORAL_CONTRAST: (180, 600, 40),
    Tissue.DISC: (60, 110, 12),
    Tissue.CORD: (30, 48, 4),
    Tissue.CSF: (8, 25, 4),
    Tissue.CARTILAGE: (70, 140, 20),
    Tissue.CALCIUM: (500, 1300, 200),
    Tissue.BRAIN: (28, 42, 4),
    Tissue.TABLE: (-250, 150, 20),
    Tissue.FOAM: (-985, -900, 5),
}
_ENHANCED = {
    "arterial": {
        Tissue.ARTERY: (220, 420), Tissue.HEART: (180, 380), Tissue.KIDNEY: (100, 180), Tissue.SPLEEN: (80, 140),
    },
    "venous": {
        Tissue.ARTERY: (120, 190), Tissue.VEIN: (110, 180), Tissue.HEART: (110, 180), Tissue.KIDNEY: (150, 210),
        Tissue.SPLEEN: (100, 130), Tissue.LIVER: (90, 125), Tissue.MUSCLE: (55, 75), Tissue.VESSEL: (-250, 150),
    },
}  # fmt: skip


@dataclass(frozen=True)
class Appearance:
    """One scan's appearance: HU by tissue, bone, scanner."""

    tissue_hu: np.ndarray
    texture_hu: np.ndarray
    trabecular_hu: float
    """Spongy bone of the bodies; falls with age and osteoporosis."""
    cortical_hu: float
    shell_mm: tuple[float, float]
    """Thickness of the cortical shell of bodies, and of arches and other bones."""
    contrast: str
    kernel: str
    """"soft", "medium" or "sharp"."""
    blur_mm: float
    noise_hu: float
    sideways: float = 1.0
    """How much longer than high the grain is: photon starvation streaks from side to side."""
    padded_mm: tuple[float, float] = (0.0, 0.0)
    """Without data at the front and at the back of the grid."""
    notes: dict = field(default_factory=dict)


def draw_appearance(rng: np.random.Generator) -> Appearance:
    """The scan's appearance from the training distribution."""
    contrast = str(rng.choice(["native", "arterial", "venous"], p=[0.4, 0.3, 0.3]))
    low, high, texture = (np.array([row[k] for row in _TISSUES.values()], np.float32) for k in range(3))
    mean = rng.uniform(low, high).astype(np.float32)
    for tissue, (least, most) in _ENHANCED.get(contrast, {}).items():
        mean[tissue] = rng.uniform(least, most)
    kernel = str(rng.choice(["soft", "medium", "sharp"], p=[0.35, 0.35, 0.3]))
    blur_mm = {"soft": rng.uniform(0.6, 0.95), "medium": rng.uniform(0.45, 0.7), "sharp": rng.uniform(0.25, 0.5)}[
        kernel
    ]
    noise = {"soft": rng.uniform(5, 22), "medium": rng.uniform(10, 40), "sharp": rng.uniform(25, 95)}[kernel]
    padded = (rng.uniform(0, 25), rng.uniform(0, 25)) if rng.random() < 0.12 else (0.0, 0.0)
    return Appearance(
        mean,
        texture,
        float(np.clip(rng.normal(102, 50), 30, 280)),
        float(rng.uniform(800, 1400)),
        (float(rng.uniform(0.4, 0.9)), float(rng.uniform(0.9, 2.2))),
        contrast,
        kernel,
        float(blur_mm),
        float(noise),
        float(rng.choice([1.0, rng.uniform(1.5, 4.0)])),
        padded,
    )


def render(scene: Scene, appearance: Appearance, rng: np.random.Generator) -> np.ndarray:
    """The CT of a scene.

    Args:
        scene: any label map with a bone depth will do; nothing here knows anatomy.

    Returns:
        HU, int16 (x, y, z), clipped to HU_RANGE.
    """
    frame = scene.frame
    fine = smooth_noise(rng, frame, max(2.2, 1.2 * max(frame.spacing_mm)))
    hu = appearance.tissue_hu[scene.tissue]
    hu += appearance.texture_hu[scene.tissue] * fine
    _add_bone(hu, scene, appearance, fine, rng)
    hu[scene.metal] = METAL_HU * 2
    spacing = np.array(frame.spacing_mm)
    # Voxels average over their own size, on top of the scanner's blur.
    hu = blur(hu, np.maximum(appearance.blur_mm, 0.42 * spacing), spacing)
    if scene.metal.any():
        hu += metal_streaks(scene.metal, frame.spacing_mm, rng)
    hu += _noise(scene, appearance, rng)
    for end, width_mm in enumerate(appearance.padded_mm):
        planes = int(width_mm / frame.spacing_mm[1])
        if planes:
            hu[:, -planes:] = HU_RANGE[0] if end == 0 else hu[:, -planes:]
            hu[:, :planes] = HU_RANGE[0] if end == 1 else hu[:, :planes]
    return np.clip(np.rint(hu), *HU_RANGE).astype(np.int16)


def _add_bone(hu, scene, appearance, fine, rng) -> None:
    bones, spacing = scene.bones, scene.frame.spacing_mm
    near = bones.depth_mm > -max(spacing)
    depth, owner, arch = bones.depth_mm[near], bones.owner[near], bones.arch[near] | (bones.owner[near] > 28)
    voxel = np.float32(max(0.6, float(np.prod(spacing)) ** (1 / 3) * 0.8))
    shell = np.where(arch, np.float32(appearance.shell_mm[1]), np.float32(appearance.shell_mm[0]))
    coarse = smooth_noise(rng, scene.frame, 9.0)[near]
    shell = shell * np.clip(1 + 0.45 * coarse, 0.3, 2.5)
    coverage = np.clip(0.5 + depth / voxel, 0, 1)
    # The shell has no inner surface: it thins out into trabeculae.
    cortex = np.clip(0.5 + (shell - depth) / (voxel + 0.8), 0, 1)
    factors = np.ones(256, np.float32)
    for key, value in scene.trabecular.items():
        factors[key] = value
    spongy = np.float32(appearance.trabecular_hu) * factors[owner] * np.where(arch, np.float32(1.2), np.float32(1))
    # Trabeculae: fine grain, coarser patches, and denser bone towards the shell.
    spongy = spongy * (1 + np.float32(0.28) * fine[near] + np.float32(0.16) * coarse)
    spongy += np.float32(0.3 * appearance.trabecular_hu + 90) * np.exp(-np.maximum(depth, 0) / 2.0)
    solid = spongy + (np.float32(appearance.cortical_hu) * np.clip(1 + 0.12 * fine[near], 0.6, 1.4) - spongy) * cortex
    hu[near] += (solid - hu[near]) * coverage


def _noise(scene, appearance, rng) -> np.ndarray:
    """Noise with the grain of the kernel: soft kernels leave blobs, sharp ones single pixels."""
    spacing = np.array(scene.frame.spacing_mm)
    noise = rng.standard_normal(scene.frame.shape, dtype=np.float32)
    grain = {"soft": 0.75, "medium": 0.5, "sharp": 0.3}[appearance.kernel] * np.array([appearance.sideways, 1.0, 1.0])
    noise = blur(noise, grain * np.maximum(1.0, 0.6 * spacing), spacing)
    noise *= np.float32(appearance.noise_hu / max(float(noise[::3, ::3, ::3].std()), 1e-3))
    # Fewer photons reach the inside of the body: the noise is strongest there and weak in air.
    quiet = np.ones(26, np.float32)
    quiet[[Tissue.AIR, Tissue.FOAM]] = 0.45
    quiet[[Tissue.LUNG, Tissue.GAS]] = 0.7
    return noise * quiet[scene.tissue]


def metal_streaks(metal: np.ndarray, spacing_mm, rng: np.random.Generator) -> np.ndarray:
    """Bright and dark rays around metal, slice by slice, float32 HU (x, y, z).

    Each slice's rays come from the metal's centres; the rays turn slowly from slice to slice. Between two pieces at the
    same height lies a dark band, as beam hardening makes it.
    """
    streaks = np.zeros(metal.shape, np.float32)
    x = (np.arange(metal.shape[0]) * spacing_mm[0]).astype(np.float32)[:, None]
    y = (np.arange(metal.shape[1]) * spacing_mm[1]).astype(np.float32)[None, :]
    profile = _rays(rng)
    for k in np.flatnonzero(metal.any((0, 1))):
        inside = np.argwhere(metal[:, :, k]) * spacing_mm[:2]
        # At most two centres: the pieces right and left of the middle.
        right = inside[:, 0] > inside[:, 0].mean()
        groups = [g for g in (inside[right], inside[~right]) if len(g)]
        centres = [g.mean(0) for g in groups]
        if rng.random() < 0.3:
            profile = _rays(rng)
        for centre, group in zip(centres, groups, strict=True):
            dx, dy = x - np.float32(centre[0]), y - np.float32(centre[1])
            angle = np.arctan2(dy, dx) * np.float32(len(profile) / (2 * np.pi))
            size = np.float32(np.sqrt(len(group) * spacing_mm[0] * spacing_mm[1] / np.pi))
            distance = np.sqrt(dx * dx + dy * dy)
            streaks[:, :, k] += profile[angle.astype(np.int32) % len(profile)] * size * 110 / (distance + 2 * size + 4)
        if len(centres) == 2:
            (x0, y0), (x1, y1) = centres
            length = max(float(np.hypot(x1 - x0, y1 - y0)), 1.0)
            t = ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length**2
            off = ((x - x0) * (y1 - y0) - (y - y0) * (x1 - x0)) / length
            band = np.exp(-np.square(off / 5)) * np.exp(-np.square(np.maximum(np.abs(t - 0.5) - 0.5, 0) / 0.35))
            streaks[:, :, k] -= (260 * band).astype(np.float32)
    return blur(streaks, 0.6, spacing_mm)


def _rays(rng) -> np.ndarray:
    """Random signed strength by direction, mean 0, the same to both sides (a ray through metal has two ends)."""
    half = rng.standard_normal(180) + 2.5 * (rng.random(180) < 0.06) * rng.standard_normal(180)
    half = np.convolve(np.r_[half[-2:], half, half[:2]], [0.1, 0.25, 0.3, 0.25, 0.1], "valid") * 2
    return np.tile(half - half.mean(), 2).astype(np.float32)
