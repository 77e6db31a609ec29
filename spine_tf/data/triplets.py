"""One training triplet from one cached case: where it is cut, and how it is augmented. Seeded by the caller.

At least half of the triplets are drawn as prediction draws them: the same relative position in the three views,
jittered, empty slices included. The rest is biased to foreground, each view on its own.

Source of the augmentations: paper, "Data augmentation": smoothing, clamping, reorienting (rotations and flips).
"""

import numpy as np
from scipy import ndimage

from spine_tf.config import VIEWS, AugmentConfig, PreprocessSpec
from spine_tf.data.cache import UNKNOWN, CachedCase
from spine_tf.views.slices import VIEW_AXIS, cut_slices

POSITION_JITTER = 0.05
"""Sigma by which a view's relative position departs from the triplet's in training."""

SIDE_JITTER = 0.4
"""Sigma by which the logarithms of a sub-box's sides differ from their common size."""

CENTRE_ON_SPINE = 0.8
"""Share of random sub-boxes that are centred on a voxel of the spine."""

COARSE_SHARE = 0.3
"""Coarse to fine with isotropic pixels: share of triplets with the pixels of the coarse pass."""

PIXEL_JITTER = 0.2
"""Sigma of the logarithm of a pixel's size in training."""

NARROWEST = 0.2
"""Isotropic pixels: a narrow scan fills at least this share of an image's side."""

THICK_MM = (2.0, 6.0)
"""Slice thickness that thin slices are averaged to."""


def training_triplet(
    cached: CachedCase,
    rng: np.random.Generator,
    spec: PreprocessSpec,
    augment: AugmentConfig,
    inference_like: float,
) -> tuple[np.ndarray, ...]:
    """Draw one triplet.

    Returns:
        axial, coronal, sagittal: (H, W, 3) float32 in [0, 1]; mask: (H, W, 3) float32 in [0, 1], one channel per view.
        A mask pixel holds the share of spine in it, so that shrinking a slice loses no detail; -1 where the truth is
        not known (`data.cache.UNKNOWN`).
    """
    pixel_mm = _draw_pixel_mm(rng, spec, augment)
    hu, mask, points = _random_box(cached, rng, spec, augment, pixel_mm)
    spacing_mm = np.array(cached.spacing_mm)
    if augment.augment and rng.random() < augment.thick:
        slices = int(rng.uniform(*THICK_MM) / spacing_mm[2])
        if 2 <= slices <= hu.shape[2]:
            hu, mask, points = thick_slices(hu, mask, points, slices)
            spacing_mm[2] *= slices
    if rng.random() < inference_like:
        position = rng.random()
        relative = np.clip(position + POSITION_JITTER * rng.standard_normal(3), 0, 1)
        voxel = np.rint(relative * (np.array(hu.shape) - 1)).astype(int)
    elif len(points):
        voxel = points[rng.integers(len(points), size=3), np.arange(3)]
    else:
        voxel = rng.integers(hu.shape)
    hu, mask, voxel = _reorient(hu, mask, voxel, rng, augment)
    window_hu, smoothing_mm = cached.window_hu, spec.smoothing_mm
    if augment.augment:
        low, high = window_hu
        shift = rng.uniform(-1, 1, 2) * augment.window_jitter * (high - low)
        window_hu = (low + shift[0], high + shift[1])
        smoothing_mm = smoothing_mm + rng.uniform(0, augment.max_smoothing_mm)
    zoom, gamma = np.ones(3), 1.0
    if augment.augment:
        zoom, gamma = np.exp(augment.zoom * rng.standard_normal(3)), np.exp(augment.gamma * rng.standard_normal())
    spacing_mm = tuple(zoom * spacing_mm)
    images, masks = [], []
    for view in VIEWS:
        image, target = cut_pair(
            hu, mask, view, voxel[VIEW_AXIS[view]], window_hu, spacing_mm, spec, smoothing_mm, pixel_mm
        )
        if augment.augment:
            image = image**gamma
            image, target = _rotate(image, target, rng.uniform(-1, 1) * augment.rotate_deg)
            sigma = rng.uniform(0, augment.noise)
            image = np.clip(image + sigma * rng.standard_normal(image.shape, dtype=np.float32), 0, 1)
        images.append(image.astype(np.float32))
        masks.append(target)
    return *images, np.stack(masks, axis=-1).astype(np.float32)


def plain_triplet(cached: CachedCase, relative: float, spec: PreprocessSpec) -> tuple[np.ndarray, ...]:
    """The triplet at one relative position in [0, 1], nothing random; shapes as `training_triplet`.

    Slices are those of the whole scan, or, with isotropic pixels, of a tile around one voxel of the spine, which
    stands at this position of the cached ones.
    """
    hu, mask = cached.hu, cached.mask
    if spec.pixel_mm is not None:
        shape, spacing_mm = np.array(hu.shape), np.array(cached.spacing_mm)
        size = np.clip(np.floor(spec.pixel_mm * spec.image_size / spacing_mm), 1, shape).astype(int)
        points = cached.points if len(cached.points) else shape[None] // 2
        centre = points[int(relative * (len(points) - 1))]
        start = np.clip(centre - size // 2, 0, shape - size)
        box = tuple(slice(a, a + n) for a, n in zip(start, size, strict=True))
        hu, mask, voxel = hu[box], mask[box], centre - start
    else:
        voxel = np.floor(relative * (np.array(hu.shape) - 1) + 0.5).astype(int)
    pairs = [
        cut_pair(
            hu, mask, view, voxel[VIEW_AXIS[view]], cached.window_hu, cached.spacing_mm, spec, pixel_mm=spec.pixel_mm
        )
        for view in VIEWS
    ]
    return *(image for image, _ in pairs), np.stack([target for _, target in pairs], axis=-1)


def cut_pair(
    hu, mask, view, index, window_hu, spacing_mm, spec, smoothing_mm=None, pixel_mm=None
) -> tuple[np.ndarray, np.ndarray]:
    """Slice `index` of a view with its neighbours (H, W, 3), and the share of spine in each of its pixels (H, W).

    A pixel mostly filled with voxels of `UNKNOWN` truth is -1: losses and metrics leave it out.
    """
    near = index + np.array([-1, 0, 1])
    slices = cut_slices(hu, view, near, window_hu, spacing_mm, spec, smoothing_mm=smoothing_mm, pixel_mm=pixel_mm)
    plane = np.take(mask, [index], axis=VIEW_AXIS[view])
    shares = [
        cut_slices(
            plane == label, view, near[1:2] * 0, (0.0, 1.0), spacing_mm, spec, smoothing_mm=0.0, pixel_mm=pixel_mm
        )
        for label in ((1, UNKNOWN) if (plane == UNKNOWN).any() else (1,))
    ]
    target = shares[0][0] if len(shares) == 1 else np.where(shares[1][0] > 0.5, np.float32(-1), shares[0][0])
    return np.moveaxis(slices, 0, -1), target


def thick_slices(hu, mask, points, slices: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A scan (x, y, z) with every `slices` axial slices averaged to one, its mask by majority, its spine voxels.

    Where any of the truths is not known, the thick one is not; the last slices, too few for one more, are left out.
    """
    planes = hu.shape[2] // slices
    blocks = [array[:, :, : planes * slices].reshape(*array.shape[:2], planes, slices) for array in (hu, mask)]
    averaged = blocks[0].mean(axis=-1, dtype=np.float32)
    majority = ((blocks[1] == 1).mean(axis=-1) >= 0.5).astype(np.uint8)
    majority[(blocks[1] == UNKNOWN).any(axis=-1)] = UNKNOWN
    moved = np.column_stack([points[:, :2], points[:, 2] // slices]).astype(points.dtype)
    return averaged, majority, moved[moved[:, 2] < planes]


def _draw_pixel_mm(rng, spec: PreprocessSpec, augment: AugmentConfig) -> float | None:
    """Size of the pixels of one triplet: that of the coarse or of the fine pass, jittered."""
    if spec.pixel_mm is None:
        return None
    first = spec.coarse_to_fine and rng.random() < COARSE_SHARE
    size_mm = spec.coarse_pixel_mm if first else spec.pixel_mm
    return size_mm * float(np.exp(PIXEL_JITTER * rng.standard_normal())) if augment.augment else size_mm


def _random_box(cached: CachedCase, rng, spec: PreprocessSpec, augment: AugmentConfig, pixel_mm: float | None):
    """A random box of the case that fits the image (hu, mask, spine voxels inside it), or the whole of it."""
    shape, spacing_mm = np.array(cached.hu.shape), np.array(cached.spacing_mm)
    narrow = augment.augment and rng.random() < augment.sub_box
    if pixel_mm is not None:
        side_mm = np.full(3, pixel_mm * spec.image_size)
        if narrow:
            side_mm = side_mm * np.exp(rng.uniform(np.log(NARROWEST), 0, 3))
        side_mm = np.minimum(np.maximum(side_mm, augment.min_box_mm), pixel_mm * spec.image_size)
    elif narrow:
        # Every size is as likely as its double, from a vertebra to the whole scan: evenly drawn, close-ups were rare.
        longest_mm = max(float((shape * spacing_mm).max()), augment.min_box_mm)
        side_mm = np.exp(
            rng.uniform(np.log(augment.min_box_mm), np.log(longest_mm)) + SIDE_JITTER * rng.standard_normal(3)
        )
        side_mm = np.maximum(side_mm, augment.min_box_mm)
    else:
        return cached.hu, cached.mask, cached.points
    size = np.clip(np.floor(side_mm / spacing_mm), 1, shape).astype(int)
    on_spine = len(cached.points) and rng.random() < CENTRE_ON_SPINE
    centre = cached.points[rng.integers(len(cached.points))] if on_spine else rng.integers(shape)
    # The centre lands anywhere in the box: a spine in the middle of every box would be a lesson no scan keeps.
    start = np.clip(np.rint(centre - rng.random(3) * size).astype(int), 0, shape - size)
    box = tuple(slice(a, a + n) for a, n in zip(start, size, strict=True))
    points = cached.points[np.all((cached.points >= start) & (cached.points < start + size), axis=1)] - start
    return cached.hu[box], cached.mask[box], points


def _reorient(hu, mask, voxel, rng, augment):
    """Mirror axes at random; the three views stay those of one body."""
    chances = (augment.flip, augment.reorient, augment.reorient) if augment.augment else (0.0, 0.0, 0.0)
    for axis, chance in enumerate(chances):
        if rng.random() < chance:
            hu, mask = np.flip(hu, axis), np.flip(mask, axis)
            voxel = np.where(np.arange(3) == axis, hu.shape[axis] - 1 - voxel, voxel)
    return hu, mask, voxel


def _rotate(image: np.ndarray, target: np.ndarray, degrees: float) -> tuple[np.ndarray, np.ndarray]:
    """Turn a slice (H, W, 3) and its target (H, W) about the centre; what enters repeats the border."""
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = (np.array(target.shape) - 1) / 2
    offset = centre - turn @ centre
    planes = [*np.moveaxis(image, -1, 0), target]
    turned = [ndimage.affine_transform(plane, turn, offset, order=1, mode="nearest") for plane in planes]
    return np.stack(turned[:-1], axis=-1), np.where(turned[-1] < 0, np.float32(-1), turned[-1])
