"""Cuts triplets, one slice of each view, out of a cached case, and augments those that are trained on.

At least half of the training triplets are drawn as prediction draws them: the same relative position in the three
views, jittered, empty slices included. The rest is biased to foreground, each view on its own.

Source of the augmentations: paper, "Data augmentation": smoothing, clamping, reorienting (rotations and flips).
"""

import numpy as np

from spine_tf.config import VIEWS, AugmentConfig, PreprocessSpec
from spine_tf.data.cache import CachedCase
from spine_tf.data.slice_pairs import cut_pair, rotate_pair
from spine_tf.views.slices import VIEW_AXIS

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
    """Draw one triplet to train on.

    Args:
        cached: the case.
        rng: decides everything that is random; the same state gives the same triplet.
        spec: pre-processing of the network.
        augment: how far the triplet may depart from the scan.
        inference_like: chance in [0, 1] of a triplet as prediction draws it.

    Returns:
        axial, coronal, sagittal: (H, W, 3) float32 in [0, 1], a slice and its two neighbours; mask: (H, W, 3) float32,
        one channel per view. A pixel of the mask holds the share of spine in it, in [0, 1], so that shrinking a slice
        loses no detail. It is -1 where the truth is unknown (`data.cache.UNKNOWN`).
    """
    pixel_mm = _draw_pixel_mm(rng, spec, augment)
    hu, mask, points = _random_box(cached, rng, spec, augment, pixel_mm)
    thick = _draw_thickness(rng, hu.shape[2], cached.spacing_mm[2], augment)
    # Views of the same memory: nothing is read before a slice is cut.
    shape = np.array([*hu.shape[:2], hu.shape[2] // thick])
    hu, mask = (array[:, :, : shape[2] * thick] for array in (hu, mask))
    points = points[points[:, 2] < shape[2] * thick] // (1, 1, thick)
    spacing_mm = np.array(cached.spacing_mm) * (1, 1, thick)
    if rng.random() < inference_like:
        position = rng.random()
        relative = np.clip(position + POSITION_JITTER * rng.standard_normal(3), 0, 1)
        voxel = np.rint(relative * (shape - 1)).astype(int)
    elif len(points):
        voxel = points[rng.integers(len(points), size=3), np.arange(3)]
    else:
        voxel = rng.integers(shape)
    for axis in _draw_mirrored(rng, augment):
        hu, mask = np.flip(hu, axis), np.flip(mask, axis)
        voxel = np.where(np.arange(3) == axis, shape[axis] - 1 - voxel, voxel)
    window_hu, smoothing_mm = cached.window_hu, spec.smoothing_mm
    if augment.augment:
        low, high = window_hu
        shift = rng.uniform(-1, 1, 2) * augment.window_jitter * (high - low)
        window_hu = (low + shift[0], high + shift[1])
        smoothing_mm = smoothing_mm + rng.uniform(0, augment.max_smoothing_mm)
        spacing_mm = spacing_mm * np.exp(augment.zoom * rng.standard_normal(3))
        gamma = float(np.exp(augment.gamma * rng.standard_normal()))
    images, masks = [], []
    for view in VIEWS:
        index = voxel[VIEW_AXIS[view]]
        image, target = cut_pair(hu, mask, view, index, window_hu, spacing_mm, spec, smoothing_mm, pixel_mm, thick)
        if augment.augment:
            image = image if gamma == 1 else image**gamma
            image, target = rotate_pair(image, target, rng.uniform(-1, 1) * augment.rotate_deg)
            sigma = rng.uniform(0, augment.noise)
            noise = rng.standard_normal(image.shape, dtype=np.float32)
            noise *= sigma
            noise += image
            image = np.clip(noise, 0, 1, out=noise)
        images.append(image)
        masks.append(target)
    return *images, np.stack(masks, axis=-1)


def plain_triplet(cached: CachedCase, relative: float, spec: PreprocessSpec) -> tuple[np.ndarray, ...]:
    """Cut the triplet at one relative position, with nothing random in it.

    Slices are those of the whole scan. With isotropic pixels (`spec.pixel_mm`) they are those of a tile around a voxel
    of the spine: of `cached.points`, the one at this relative position.

    Args:
        cached: the case.
        relative: position in [0, 1].
        spec: pre-processing of the network.

    Returns:
        axial, coronal, sagittal and mask, as `training_triplet` gives them.
    """
    hu, mask, window_hu, spacing_mm = cached.hu, cached.mask, cached.window_hu, cached.spacing_mm
    if spec.pixel_mm is not None:
        shape = np.array(hu.shape)
        size = np.clip(np.floor(spec.pixel_mm * spec.image_size / np.array(spacing_mm)), 1, shape).astype(int)
        points = cached.points if len(cached.points) else shape[None] // 2
        centre = points[int(relative * (len(points) - 1))]
        start = np.clip(centre - size // 2, 0, shape - size)
        box = tuple(map(slice, start, start + size))
        hu, mask, voxel = hu[box], mask[box], centre - start
    else:
        voxel = np.floor(relative * (np.array(hu.shape) - 1) + 0.5).astype(int)
    images, masks = [], []
    for view in VIEWS:
        index = voxel[VIEW_AXIS[view]]
        image, target = cut_pair(hu, mask, view, index, window_hu, spacing_mm, spec, pixel_mm=spec.pixel_mm)
        images.append(image)
        masks.append(target)
    return *images, np.stack(masks, axis=-1)


def _draw_pixel_mm(rng, spec: PreprocessSpec, augment: AugmentConfig) -> float | None:
    """Draw the size of a triplet's pixels, that of the coarse or of the fine pass, jittered; None: stretched."""
    if spec.pixel_mm is None:
        return None
    first = spec.coarse_to_fine and rng.random() < COARSE_SHARE
    size_mm = spec.coarse_pixel_mm if first else spec.pixel_mm
    return size_mm * float(np.exp(PIXEL_JITTER * rng.standard_normal())) if augment.augment else size_mm


def _random_box(cached: CachedCase, rng, spec: PreprocessSpec, augment: AugmentConfig, pixel_mm: float | None):
    """Cut a random box that fits the image out of a case, or take all of it: hu, mask, spine voxels inside."""
    shape, spacing_mm = np.array(cached.hu.shape), np.array(cached.spacing_mm)
    narrow = augment.augment and rng.random() < augment.sub_box
    if pixel_mm is not None:
        image_mm = pixel_mm * spec.image_size
        share = np.exp(rng.uniform(np.log(NARROWEST), 0, 3)) if narrow else np.ones(3)
        side_mm = np.minimum(np.maximum(image_mm * share, augment.min_box_mm), image_mm)
    elif narrow:
        # Every size is as likely as its double, from a vertebra to the whole scan: evenly drawn, close-ups were rare.
        longest_mm = max(float((shape * spacing_mm).max()), augment.min_box_mm)
        size = rng.uniform(np.log(augment.min_box_mm), np.log(longest_mm)) + SIDE_JITTER * rng.standard_normal(3)
        side_mm = np.maximum(np.exp(size), augment.min_box_mm)
    else:
        return cached.hu, cached.mask, cached.points
    size = np.clip(np.floor(side_mm / spacing_mm), 1, shape).astype(int)
    on_spine = len(cached.points) and rng.random() < CENTRE_ON_SPINE
    centre = cached.points[rng.integers(len(cached.points))] if on_spine else rng.integers(shape)
    # The centre lands anywhere in the box: a spine in the middle of every box would be a lesson no scan keeps.
    start = np.clip(np.rint(centre - rng.random(3) * size).astype(int), 0, shape - size)
    box = tuple(map(slice, start, start + size))
    points = cached.points[np.all((cached.points >= start) & (cached.points < start + size), axis=1)] - start
    return cached.hu[box], cached.mask[box], points


def _draw_thickness(rng, slices: int, slice_mm: float, augment: AugmentConfig) -> int:
    """Draw how many axial slices make one; 1 where they stay as they are."""
    if augment.augment and rng.random() < augment.thick:
        thick = int(rng.uniform(*THICK_MM) / slice_mm)
        if 2 <= thick <= slices:
            return thick
    return 1


def _draw_mirrored(rng, augment: AugmentConfig) -> list[int]:
    """Draw the axes that are mirrored; the three views stay those of one body."""
    chances = (augment.flip, augment.reorient, augment.reorient) if augment.augment else (0.0, 0.0, 0.0)
    return [axis for axis, chance in enumerate(chances) if rng.random() < chance]
