import keras
import numpy as np
import pytest

from spine_tf.config import PreprocessSpec
from spine_tf.views.preprocess import along_axis, body_box, clamp_window, gaussian_matrix, normalise, resize_matrix


def test_resize_matrix_of_equal_sizes_changes_nothing():
    np.testing.assert_allclose(resize_matrix(5, 5), np.eye(5), atol=1e-7)


def test_resize_matrix_halves_by_averaging():
    # Triangle of half-width 2 around the centres 0.5 and 2.5: weights 1/4, 3/4, 3/4, 1/4 of the samples in reach.
    np.testing.assert_allclose(resize_matrix(4, 2), [[3 / 7, 3 / 7, 1 / 7, 0], [0, 1 / 7, 3 / 7, 3 / 7]], atol=1e-6)


def test_resize_matrix_doubles_by_interpolating():
    np.testing.assert_allclose(resize_matrix(2, 4) @ [0, 1], [0, 0.25, 0.75, 1], atol=1e-6)


def test_resize_matrix_of_one_sample_repeats_it():
    np.testing.assert_allclose(resize_matrix(1, 3), np.ones((3, 1)))


@pytest.mark.parametrize(("n_in", "n_out", "sigma"), [(512, 128, 0), (133, 128, 0.7), (7, 31, 2.5), (1, 1, 0)])
def test_resize_matrix_rows_sum_to_one_and_keras_agrees(n_in, n_out, sigma):
    matrix = resize_matrix(n_in, n_out, sigma)
    assert matrix.dtype == np.float32
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-5)
    in_graph = keras.ops.convert_to_numpy(resize_matrix(n_in, n_out, sigma, xp=keras.ops))
    np.testing.assert_allclose(matrix, in_graph, atol=1e-5)


def test_gaussian_matrix_spreads_an_impulse_symmetrically():
    weights = gaussian_matrix(9, 1.0)[4]
    np.testing.assert_allclose(weights, weights[::-1], atol=1e-7)
    assert weights[4] / weights[3] == pytest.approx(np.exp(0.5), rel=1e-5)


def test_along_axis_is_the_same_for_every_axis():
    array, matrix = np.arange(24, dtype=np.float32).reshape(2, 3, 4), np.float32([[1, 1, 1]])
    np.testing.assert_allclose(along_axis(matrix, array, 1), array.sum(axis=1, keepdims=True))


def test_normalise_clamps_to_the_window():
    values = normalise(np.int16([-1000, -300, 500, 1300, 3000]), (-300, 1300))
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, [0, 0, 0.5, 1, 1])


def test_clamp_window_of_the_scan_follows_its_percentiles_within_the_window():
    hu = np.random.default_rng(0).uniform(0, 1000, (32, 32, 32))
    low, high = clamp_window(hu, PreprocessSpec(image_size=32, normalise="scan"))
    assert (low, high) == pytest.approx((10, 990), abs=20)
    assert clamp_window(hu * 0, PreprocessSpec(image_size=32, normalise="scan")) == (-300, 1300)


def test_body_box_drops_air_and_a_thin_table():
    hu = np.full((20, 30, 10), -1000, np.int16)
    hu[5:15, 10:25] = 40
    hu[10, 2, :4] = 200  # 4 voxels in a plane, beside 100 in the fullest: a table's rail
    assert body_box(hu) == (slice(5, 15), slice(10, 25), slice(0, 10))


def test_body_box_of_air_is_everything():
    assert body_box(np.full((4, 5, 6), -1000)) == (slice(0, 4), slice(0, 5), slice(0, 6))
