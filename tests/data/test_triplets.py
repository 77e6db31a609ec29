from dataclasses import replace

import numpy as np
import pytest

from spine_tf.config import VIEWS, AugmentConfig, PreprocessSpec
from spine_tf.data.cache import UNKNOWN
from spine_tf.data.triplets import plain_triplet, training_triplet
from spine_tf.views.slices import VIEW_AXIS

SPEC = PreprocessSpec(image_size=32, smoothing_mm=0.0)
OFF = AugmentConfig(augment=False)
ON = AugmentConfig(min_box_mm=10.0, reorient=0.5)


def test_a_plain_triplet_is_cut_as_at_prediction(cube_case):
    *images, mask = plain_triplet(cube_case, 0.5, SPEC)
    assert [image.shape for image in images] == [(32, 32, 3)] * 3
    assert mask.shape == (32, 32, 3)
    for channel, (view, image) in enumerate(zip(VIEWS, images, strict=True)):
        # Slice 16 of 0..31 (15.5 rounded up), between its neighbours.
        wanted = np.take(cube_case.mask, 16, axis=VIEW_AXIS[view])
        np.testing.assert_array_equal(mask[..., channel], wanted)
        hu = np.take(cube_case.hu, [15, 16, 17], axis=VIEW_AXIS[view])
        wanted = (np.moveaxis(hu, VIEW_AXIS[view], -1) + 300.0) / 1600
        np.testing.assert_allclose(image, wanted, atol=1e-6)


def test_the_same_seed_draws_the_same_triplet(cube_case):
    first, again, other = (
        training_triplet(cube_case, np.random.default_rng(seed), SPEC, ON, 0.5) for seed in (3, 3, 4)
    )
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert any(not np.array_equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("augment", [ON, OFF])
def test_triplets_keep_to_their_shapes_dtypes_and_ranges(cube_case, augment):
    for seed in range(20):
        arrays = training_triplet(cube_case, np.random.default_rng(seed), SPEC, augment, 0.5)
        assert [array.shape for array in arrays] == [(32, 32, 3)] * 4
        assert all(array.dtype == np.float32 and array.min() >= 0 and array.max() <= 1 for array in arrays)


def test_biased_triplets_hold_spine_and_inference_like_ones_need_not(cube_case):
    def empty(inference_like):
        draws = (training_triplet(cube_case, np.random.default_rng(s), SPEC, OFF, inference_like) for s in range(60))
        return sum(not mask[..., channel].any() for *_, mask in draws for channel in range(3))

    assert empty(0.0) == 0
    # The cube fills half of each axis: about half of the evenly drawn slices miss it.
    assert 60 < empty(1.0) < 120


def test_mask_and_image_are_moved_together(cube_case):
    # The cube is bright in hu and 1 in the mask; whatever augmentation does, bright pixels are spine.
    quiet = AugmentConfig(noise=0.0, window_jitter=0.0, max_smoothing_mm=0.0, min_box_mm=10.0, reorient=0.5)
    for seed in range(30):
        *images, mask = training_triplet(cube_case, np.random.default_rng(seed), SPEC, quiet, 0.5)
        for channel, image in enumerate(images):
            np.testing.assert_array_equal(image[..., 1] > 0.5, mask[..., channel] > 0.5)


def test_a_case_without_spine_gives_empty_masks(empty_case):
    *_, mask = training_triplet(empty_case, np.random.default_rng(0), SPEC, ON, 0.5)
    assert not mask.any()


def test_isotropic_pixels_show_the_cube_at_its_size_and_nothing_around(cube_case):
    # Pixels of 2 mm: the scan of 32 mm fills 16 of 32 pixels, the cube of 16 mm fills 8; 0 (window's end) around.
    *images, mask = plain_triplet(cube_case, 0.5, replace(SPEC, pixel_mm=2.0))
    for channel, image in enumerate(images):
        assert mask[..., channel].sum() == pytest.approx(64, rel=0.05)
        inside = np.zeros((32, 32), bool)
        inside[8:24, 8:24] = True
        assert (image[inside] > 0.2).all()
        assert (image[~inside] == 0).all()


def test_isotropic_pixels_smaller_than_the_scan_cut_a_window_around_the_spine(cube_case):
    *_, mask = plain_triplet(cube_case, 0.5, replace(SPEC, pixel_mm=0.5))
    # A window of 16 mm around a voxel of a cube of 16 mm.
    assert mask.any(axis=(0, 1)).all()


def test_training_draws_pixels_of_both_looks(cube_case):
    spec = replace(SPEC, pixel_mm=1.0, coarse_to_fine=True, coarse_pixel_mm=4.0)
    still = replace(ON, rotate_deg=0.0, noise=0.0, sub_box=0.0)
    filled = []
    for seed in range(60):
        *images, mask = training_triplet(cube_case, np.random.default_rng(seed), spec, still, 0.5)
        assert all(np.isfinite(array).all() for array in (*images, mask))
        filled.append((images[0][..., 1] > 0).mean())
    filled = np.array(filled)
    # 32 mm fill an image of 32 mm, but a sixteenth of one of 128 mm.
    assert 0.15 < (filled < 0.3).mean() < 0.5


def test_unknown_truth_is_minus_one(cube_case):
    mask = np.array(cube_case.mask)
    mask[:, :, 24:] = UNKNOWN
    unknown = replace(cube_case, mask=mask)
    *_, target = plain_triplet(unknown, 0.5, SPEC)
    assert (target[:, 24:, 1] == -1).all()  # coronal: (x, z)
    assert (target[:, :24, 1] >= 0).all()
    for seed in range(10):
        *_, target = training_triplet(unknown, np.random.default_rng(seed), SPEC, ON, 0.5)
        assert ((target == -1) | ((target >= 0) & (target <= 1))).all()


def test_thick_triplets_keep_to_their_shapes(cube_case):
    thick = replace(ON, thick=1.0)
    for seed in range(10):
        *images, mask = training_triplet(cube_case, np.random.default_rng(seed), SPEC, thick, 0.5)
        assert [array.shape for array in (*images, mask)] == [(32, 32, 3)] * 4
