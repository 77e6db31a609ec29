"""Draws triplets the plain way, which `data.triplets` must equal: dense matrices, SciPy's rotation, whole boxes."""

import numpy as np
from scipy import ndimage

from spine_tf.config import VIEWS
from spine_tf.data.cache import UNKNOWN
from spine_tf.data.triplets import POSITION_JITTER, THICK_MM, _draw_pixel_mm, _random_box
from spine_tf.views.slices import VIEW_AXIS, cut_slices


def plainly_drawn_triplet(cached, rng, spec, augment, inference_like) -> tuple[np.ndarray, ...]:
    """Draw one triplet to train on; arguments and result as of `data.triplets.training_triplet`."""
    pixel_mm = _draw_pixel_mm(rng, spec, augment)
    hu, mask, points = _random_box(cached, rng, spec, augment, pixel_mm)
    spacing_mm = np.array(cached.spacing_mm)
    if augment.augment and rng.random() < augment.thick:
        slices = int(rng.uniform(*THICK_MM) / spacing_mm[2])
        if 2 <= slices <= hu.shape[2]:
            hu, mask, points = _thick_slices(hu, mask, points, slices)
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
        spacing_mm = spacing_mm * np.exp(augment.zoom * rng.standard_normal(3))
        gamma = np.exp(augment.gamma * rng.standard_normal())
    spacing_mm = tuple(spacing_mm)
    images, masks = [], []
    for view in VIEWS:
        index = voxel[VIEW_AXIS[view]]
        image, target = _cut_pair(hu, mask, view, index, window_hu, spacing_mm, spec, smoothing_mm, pixel_mm)
        if augment.augment:
            image = image**gamma
            image, target = _rotate(image, target, rng.uniform(-1, 1) * augment.rotate_deg)
            sigma = rng.uniform(0, augment.noise)
            image = np.clip(image + sigma * rng.standard_normal(image.shape, dtype=np.float32), 0, 1)
        images.append(image.astype(np.float32))
        masks.append(target)
    return *images, np.stack(masks, axis=-1).astype(np.float32)


def _cut_pair(
    hu, mask, view, index, window_hu, spacing_mm, spec, smoothing_mm=None, pixel_mm=None
) -> tuple[np.ndarray, np.ndarray]:
    near = index + np.array([-1, 0, 1])
    slices = cut_slices(hu, view, near, window_hu, spacing_mm, spec, smoothing_mm=smoothing_mm, pixel_mm=pixel_mm)
    plane = np.take(mask, [index], axis=VIEW_AXIS[view])

    def share(label: int) -> np.ndarray:
        inside, first = plane == label, np.zeros(1, int)
        return cut_slices(inside, view, first, (0.0, 1.0), spacing_mm, spec, smoothing_mm=0.0, pixel_mm=pixel_mm)[0]

    target = share(1)
    if (plane == UNKNOWN).any():
        target = np.where(share(UNKNOWN) > 0.5, np.float32(-1), target)
    return np.moveaxis(slices, 0, -1), target  # (3, H, W) -> (H, W, 3)


def _thick_slices(hu, mask, points, slices: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    planes = hu.shape[2] // slices
    # (x, y, z) -> (x, y, planes, slices)
    hu, mask = (array[:, :, : planes * slices].reshape(*array.shape[:2], planes, slices) for array in (hu, mask))
    averaged = hu.mean(axis=-1, dtype=np.float32)
    majority = ((mask == 1).mean(axis=-1) >= 0.5).astype(np.uint8)
    majority[(mask == UNKNOWN).any(axis=-1)] = UNKNOWN
    moved = np.column_stack([points[:, :2], points[:, 2] // slices]).astype(points.dtype)
    return averaged, majority, moved[moved[:, 2] < planes]


def _reorient(hu, mask, voxel, rng, augment):
    chances = (augment.flip, augment.reorient, augment.reorient) if augment.augment else (0.0, 0.0, 0.0)
    for axis, chance in enumerate(chances):
        if rng.random() < chance:
            hu, mask = np.flip(hu, axis), np.flip(mask, axis)
            voxel = np.where(np.arange(3) == axis, hu.shape[axis] - 1 - voxel, voxel)
    return hu, mask, voxel


def _rotate(image: np.ndarray, target: np.ndarray, degrees: float) -> tuple[np.ndarray, np.ndarray]:
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = (np.array(target.shape) - 1) / 2
    offset = centre - turn @ centre
    planes = [*np.moveaxis(image, -1, 0), target]
    turned = [ndimage.affine_transform(plane, turn, offset, order=1, mode="nearest") for plane in planes]
    return np.stack(turned[:-1], axis=-1), np.where(turned[-1] < 0, np.float32(-1), turned[-1])
