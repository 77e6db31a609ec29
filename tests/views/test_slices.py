import keras
import numpy as np
import pytest

from spine_tf.config import VIEWS, PreprocessSpec
from spine_tf.views.slices import (
    VIEW_AXIS,
    cut_slices,
    fuse_views,
    n_positions,
    plane_axes,
    position_slices,
    putback_matrix,
    with_neighbours,
)

SPEC = PreprocessSpec(image_size=32, smoothing_mm=0.0)
SHAPES = [(32, 32, 32), (33, 47, 5), (1, 40, 31), (64, 32, 100)]


def test_planes_span_the_two_other_axes():
    assert [plane_axes(view) for view in VIEWS] == [(0, 1), (0, 2), (1, 2)]


def test_steps_are_those_of_the_largest_view_up_to_the_image_size():
    assert n_positions((20, 10, 5), SPEC) == 20
    assert n_positions((512, 512, 133), SPEC) == 32
    assert n_positions((512, 512, 133), PreprocessSpec(image_size=32, max_positions=0)) == 512
    assert n_positions((512, 512, 133), PreprocessSpec(image_size=32, max_positions=7)) == 7


def test_steps_reach_both_ends_and_take_the_nearest_slice():
    assert position_slices(5, 3).tolist() == [0, 2, 4]
    assert position_slices(3, 5).tolist() == [0, 1, 1, 2, 2]
    assert position_slices(4, 1).tolist() == [2]


def test_putback_averages_repeats_and_interpolates_gaps():
    np.testing.assert_allclose(putback_matrix(2, np.array([0, 0, 1])), [[0.5, 0.5, 0], [0, 0, 1]])
    np.testing.assert_allclose(putback_matrix(3, np.array([0, 2])) @ [0, 1], [0, 0.5, 1])
    np.testing.assert_allclose(putback_matrix(4, np.array([1, 2])) @ [5, 7], [5, 5, 7, 7])


@pytest.mark.parametrize("view", VIEWS)
def test_cut_slices_keeps_rows_and_columns_in_canonical_order(view):
    hu = np.random.default_rng(0).integers(-300, 1300, (32, 32, 32)).astype(np.int16)
    images = cut_slices(hu, view, np.array([3, 40]), SPEC.window_hu, (1, 1, 1), SPEC)
    wanted = (np.take(hu, [3, 31], axis=VIEW_AXIS[view]).astype(float) + 300) / 1600
    np.testing.assert_allclose(images, np.moveaxis(wanted, VIEW_AXIS[view], 0), atol=1e-6)


def test_smoothing_is_in_mm():
    hu = np.zeros((32, 32, 4))
    hu[16, 16] = 1600
    spec = PreprocessSpec(image_size=32, smoothing_mm=2.0, window_hu=(0, 1600))
    image = cut_slices(hu, "axial", np.array([0]), (0, 1600), (1.0, 2.0, 1.0), spec)[0]
    # Sigma is 2 samples along x and 1 along y: two steps in x fall off as one step in y.
    assert image[18, 16] == pytest.approx(image[16, 17], rel=1e-3)


def test_neighbours_are_channels_and_the_border_repeats():
    slices = np.arange(4, dtype=np.float32)[:, None, None] * np.ones((4, 2, 2), np.float32)
    assert with_neighbours(slices, np.array([0, 2, 3]))[:, 0, 0].tolist() == [[0, 0, 1], [1, 2, 3], [2, 3, 3]]


@pytest.mark.parametrize("shape", SHAPES)
def test_constant_views_fuse_to_their_mean(shape):
    stacks = {
        view: np.full((32, 32, 32), value, np.float32) for view, value in zip(VIEWS, (0.0, 0.3, 0.9), strict=True)
    }
    volume = fuse_views(stacks, shape, slab=7)
    assert volume.shape == shape
    np.testing.assert_allclose(volume, 0.4, atol=1e-5)


def test_cut_and_fuse_give_the_volume_back_where_no_voxel_is_lost():
    hu = np.random.default_rng(1).random((32, 32, 32), np.float32)
    every = np.arange(32)
    stacks = {view: cut_slices(hu, view, every, (0, 1), (1, 1, 1), SPEC) for view in VIEWS}
    fused = fuse_views(stacks, hu.shape)
    np.testing.assert_allclose(fused, hu, atol=1e-5)


def test_each_view_lands_on_its_own_axis():
    ramp = np.linspace(0, 1, 32, dtype=np.float32)[:, None, None] * np.ones((32, 32, 32), np.float32)
    zero = np.zeros_like(ramp)
    for view in VIEWS:
        stacks = dict.fromkeys(VIEWS, zero) | {view: ramp}
        fused = fuse_views(stacks, (32, 32, 32))
        assert np.ptp(fused, axis=VIEW_AXIS[view]).min() == pytest.approx(1 / 3, abs=1e-5)
        others = tuple(axis for axis in range(3) if axis != VIEW_AXIS[view])
        assert np.ptp(fused, axis=others).max() < 1e-6


@pytest.mark.parametrize("shape", SHAPES)
def test_keras_ops_agree_with_numpy(shape):
    rng = np.random.default_rng(2)
    hu = rng.integers(-1000, 2000, shape).astype(np.int16)
    spec = PreprocessSpec(image_size=32, smoothing_mm=0.8)
    for view in VIEWS:
        indices = position_slices(shape[VIEW_AXIS[view]], 32)
        np.testing.assert_array_equal(indices, position_slices(shape[VIEW_AXIS[view]], 32, keras.ops))
        args = (view, indices, spec.window_hu, (0.7, 0.9, 2.0), spec)
        np.testing.assert_allclose(cut_slices(hu, *args), cut_slices(hu, *args, xp=keras.ops), atol=1e-5)
        back = putback_matrix(shape[VIEW_AXIS[view]], indices)
        np.testing.assert_allclose(back, putback_matrix(shape[VIEW_AXIS[view]], indices, keras.ops), atol=1e-6)
