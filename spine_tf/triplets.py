"""One training triplet from one cached case: where it is cut, and how it is augmented. Seeded by the caller.

At least half of the triplets are drawn as prediction draws them: the same relative position in the three views,
jittered, empty slices included. The rest is biased to foreground, each view on its own.

Source of the augmentations: paper, "Data augmentation": smoothing, clamping, reorienting (rotations and flips).
"""

import numpy as np
from scipy import ndimage

from spine_tf.config import VIEWS, AugmentConfig, PreprocessSpec
from spine_tf.datasets.cache import CachedCase
from spine_tf.views import VIEW_AXIS, cut_slices

POSITION_JITTER = 0.05
"""Sigma by which a view's relative position departs from the step's in training."""

SIDE_JITTER = 0.4
"""Sigma by which the logarithms of a sub-box's sides differ from their common size."""

CENTRE_ON_SPINE = 0.8
"""Share of random sub-boxes that are centred on a voxel of the spine."""


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
        A mask pixel holds the share of spine in it, so that shrinking a slice loses no detail.
    """
    hu, mask, points = _random_box(cached, rng, augment)
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
    images, masks = [], []
    for view in VIEWS:
        image, target = cut_pair(
            hu, mask, view, voxel[VIEW_AXIS[view]], window_hu, cached.spacing_mm, spec, smoothing_mm
        )
        if augment.augment:
            image, target = _rotate(image, target, rng.uniform(-1, 1) * augment.rotate_deg)
            sigma = rng.uniform(0, augment.noise)
            image = np.clip(image + sigma * rng.standard_normal(image.shape, dtype=np.float32), 0, 1)
        images.append(image.astype(np.float32))
        masks.append(target)
    return *images, np.stack(masks, axis=-1).astype(np.float32)


def plain_triplet(cached: CachedCase, relative: float, spec: PreprocessSpec) -> tuple[np.ndarray, ...]:
    """The triplet at one relative position in [0, 1], whole slices, nothing random; shapes as `training_triplet`."""
    voxel = np.floor(relative * (np.array(cached.hu.shape) - 1) + 0.5).astype(int)
    pairs = [
        cut_pair(cached.hu, cached.mask, view, voxel[VIEW_AXIS[view]], cached.window_hu, cached.spacing_mm, spec)
        for view in VIEWS
    ]
    return *(image for image, _ in pairs), np.stack([target for _, target in pairs], axis=-1)


def cut_pair(hu, mask, view, index, window_hu, spacing_mm, spec, smoothing_mm=None) -> tuple[np.ndarray, np.ndarray]:
    """Slice `index` of a view with its neighbours (H, W, 3), and the share of spine in each of its pixels (H, W)."""
    near = index + np.array([-1, 0, 1])
    slices = cut_slices(hu, view, near, window_hu, spacing_mm, spec, smoothing_mm=smoothing_mm)
    target = cut_slices(mask, view, near[1:2], (0.0, 1.0), spacing_mm, spec, smoothing_mm=0.0)
    return np.moveaxis(slices, 0, -1), target[0]


def _random_box(cached: CachedCase, rng, augment):
    """A random box of the case (hu, mask, spine voxels inside it), or the whole of it."""
    shape, spacing_mm = np.array(cached.hu.shape), np.array(cached.spacing_mm)
    if not augment.augment or rng.random() >= augment.sub_box:
        return cached.hu, cached.mask, cached.points
    # Every size is as likely as its double, from a vertebra to the whole scan: evenly drawn, close-ups would be rare.
    longest_mm = max(float((shape * spacing_mm).max()), augment.min_box_mm)
    side_mm = np.exp(rng.uniform(np.log(augment.min_box_mm), np.log(longest_mm)) + SIDE_JITTER * rng.standard_normal(3))
    size = np.clip(np.rint(np.maximum(side_mm, augment.min_box_mm) / spacing_mm), 1, shape).astype(int)
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
    return np.stack(turned[:-1], axis=-1), turned[-1]
