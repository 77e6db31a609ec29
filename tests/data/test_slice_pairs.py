"""One slice of training, beside the slices of prediction and triplets drawn the plain way."""

import numpy as np
import pytest

from spine_tf.config import VIEWS, AugmentConfig, PreprocessSpec
from spine_tf.data.cache import UNKNOWN, CachedCase
from spine_tf.data.slice_pairs import cut_pair, resample, resampling, rotate_pair
from spine_tf.data.triplets import training_triplet
from spine_tf.views.preprocess import resize_matrix
from spine_tf.views.slices import VIEW_AXIS, cut_slices
from tests.support.plain_triplets import plainly_drawn_triplet

SPEC = PreprocessSpec(image_size=32, smoothing_mm=0.0)
STILL = {
    name: 0.0 for name in ("sub_box", "flip", "reorient", "rotate_deg", "max_smoothing_mm", "window_jitter", "noise")
}
SWITCHES = {
    "none": {},
    "sub_box": {"sub_box": 1.0},
    "flip": {"flip": 1.0},
    "reorient": {"reorient": 1.0},
    "rotate_deg": {"rotate_deg": 20.0},
    "max_smoothing_mm": {"max_smoothing_mm": 2.0},
    "window_jitter": {"window_jitter": 0.2},
    "noise": {"noise": 0.1},
    "zoom": {"zoom": 0.3},
    "thick": {"thick": 1.0},
    "gamma": {"gamma": 0.3},
}


@pytest.fixture(scope="module")
def scan() -> CachedCase:
    """A bent bright column in a body with noise, 92 x 75 x 131 voxels of 0.8 x 1 x 0.7 mm, its last slices unknown."""
    shape, rng = (92, 75, 131), np.random.default_rng(0)
    x, y, z = np.indices(shape)
    spine = np.hypot(x - 46 - 8 * np.sin(z / 25), y - 40) < 12 + 4 * np.sin(z / 4)
    hu = np.where(np.hypot(x - 46, y - 37) < 36, 40, -1000) + np.where(spine, 400, 0) + rng.normal(0, 30, shape)
    mask = spine.astype(np.uint8)
    mask[..., 120:][spine[..., 120:]] = UNKNOWN
    points = np.argwhere(mask == 1)[::50].astype(np.int32)
    return CachedCase(None, hu.astype(np.int16), mask, points, (0.8, 1.0, 0.7), (-300.0, 1300.0))


@pytest.mark.parametrize("sigma", [0.0, 1.7])
@pytest.mark.parametrize("stride", [None, 0.4, 1.3, 6.0])
@pytest.mark.parametrize("n_in", [1, 2, 31, 200])
def test_a_line_is_resampled_as_by_the_dense_matrix(n_in, stride, sigma):
    line = np.random.default_rng(n_in).random(n_in).astype(np.float32)
    plane = np.ascontiguousarray(np.broadcast_to(line[:, None], (n_in, 3)))
    axes = [resampling(n_in, stride, sigma, 64), resampling(3, 1.0, 0.0, 3)]
    parts = resample([plane, np.asfortranarray(plane)], axes)
    wanted = resize_matrix(n_in, 64, sigma, stride) @ line
    np.testing.assert_allclose(parts, np.broadcast_to(wanted[:, None, None], (64, 3, 2)), atol=2e-4)


def test_a_pixel_whose_centre_lies_on_the_border_is_on_the_side_where_prediction_has_it():
    # 45 mm in pixels of 1 mm, 64 of them: a centre lies at 22.5 mm on either side of the middle.
    stride = 1.0 / 0.9
    inside = resampling(50, stride, 0.0, 64).inside
    np.testing.assert_array_equal(inside, resize_matrix(50, 64, 0, stride).sum(axis=1) > 0.5)


@pytest.mark.parametrize("pixel_mm", [None, 0.5, 3.0])
@pytest.mark.parametrize("view", VIEWS)
def test_a_slice_is_cut_as_prediction_cuts_it(scan, view, pixel_mm):
    spec = PreprocessSpec(image_size=64, smoothing_mm=1.0)
    for index in (0, 30, scan.hu.shape[VIEW_AXIS[view]] - 1):
        image, _ = cut_pair(scan.hu, scan.mask, view, index, scan.window_hu, scan.spacing_mm, spec, pixel_mm=pixel_mm)
        near = index + np.array([-1, 0, 1])
        wanted = cut_slices(scan.hu, view, near, scan.window_hu, scan.spacing_mm, spec, pixel_mm=pixel_mm)
        np.testing.assert_allclose(image, np.moveaxis(wanted, 0, -1), atol=2e-4)


@pytest.mark.parametrize("spec", [SPEC, PreprocessSpec(image_size=128, pixel_mm=0.9)], ids=["stretched", "in mm"])
@pytest.mark.parametrize("switch", SWITCHES)
def test_every_augmentation_is_that_of_triplets_drawn_the_plain_way(scan, switch, spec):
    augment = AugmentConfig(**(STILL | {"min_box_mm": 30.0} | SWITCHES[switch]))
    for seed in range(4):
        fast, plain = (
            draw(scan, np.random.default_rng(seed), spec, augment, 0.5)
            for draw in (training_triplet, plainly_drawn_triplet)
        )
        for one, other in zip(fast, plain, strict=True):
            assert (np.abs(one - other) <= 0.02).mean() >= 0.99
        one, other = fast[-1] > 0.5, plain[-1] > 0.5
        assert 2 * (one & other).sum() >= 0.99 * (one.sum() + other.sum())


def test_the_target_is_the_share_of_spine_in_a_pixel(cube_case):
    # 32 voxels of a row become 32 pixels, 64 would be two each: take a spec of half the size by cutting 64 -> 32.
    hu, mask = np.repeat(cube_case.hu, 2, axis=0), np.repeat(cube_case.mask, 2, axis=0)
    mask[:20] = 0  # the cube began at 16 (8 * 2) and now at 20: two pixels fewer, none of them cut in half
    _, target = cut_pair(hu, mask, "axial", 16, (-300, 1300), (0.5, 1, 1), SPEC)
    assert target.sum() == pytest.approx(mask[:, :, 16].sum() / 2, rel=1e-5)
    assert 0 <= target.min() <= target.max() <= 1


def test_thick_slices_are_means_and_majorities():
    hu = np.arange(7, dtype=np.int16).reshape(1, 1, 7) * 10
    mask = np.uint8([0, 1, 1, 1, 0, 0, 1]).reshape(1, 1, 7)

    def cut(view, index):
        image, target = cut_pair(hu, mask, view, index, (0.0, 100.0), (1.0, 1.0, 3.0), SPEC, thick=3)
        return image[16], target[16]

    # Of seven slices there are two thick ones, of 10 and 40 HU, the first mostly spine; the seventh is left out.
    first, second = (cut("axial", index) for index in (0, 1))
    assert first[0][16].tolist() == pytest.approx([0.1, 0.1, 0.4])
    assert second[0][16].tolist() == pytest.approx([0.1, 0.4, 0.4])
    assert (first[1][16], second[1][16]) == (1, 0)
    image, target = cut("sagittal", 0)
    assert image[[0, -1], 1].tolist() == pytest.approx([0.1, 0.4])
    assert target[[0, -1]].tolist() == [1, 0]
    mask[0, 0, 5] = UNKNOWN
    assert [cut("axial", index)[1][16] for index in (0, 1)] == [1, -1]


def test_order_and_direction_in_memory_do_not_matter(scan):
    for axis in range(3):
        flipped = [np.flip(array, axis) for array in (scan.hu, scan.mask)]
        for view in VIEWS:
            options = (view, 20, scan.window_hu, scan.spacing_mm, SPEC)
            for thick in (1, 3):
                views = cut_pair(*flipped, *options, thick=thick)
                for copied in (np.ascontiguousarray, np.asfortranarray, _spread):
                    copies = cut_pair(*map(copied, flipped), *options, thick=thick)
                    for one, other in zip(views, copies, strict=True):
                        np.testing.assert_allclose(one, other, atol=1e-5)


def _spread(array: np.ndarray) -> np.ndarray:
    """The same values, with others between them in memory."""
    return np.repeat(array, 2, axis=2)[:, :, ::2]


def test_a_quarter_turn_moves_pixels_to_where_they_belong():
    target = np.zeros((32, 32), np.float32)
    target[3, 10] = 1
    image, turned = rotate_pair(np.repeat(target[..., None], 3, axis=-1), target, 90.0)
    # SciPy's convention: the value at (row, column) comes from (31 - column, row).
    assert np.argwhere(turned > 0.9).tolist() == [[10, 28]]
    np.testing.assert_allclose(image[..., 1], turned)
