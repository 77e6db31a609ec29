"""Shapes made of shapes, by their depth at points on one axis."""

import numpy as np
import pytest

from spine_tf.data.synthesis.phantom.carved import ball, bowl, crust, minus, moved


def depth_at(shape, *point):
    return float(shape.depth(*(np.float32([p]) for p in point))[0])


def test_a_ball_has_the_distance_from_its_surface():
    assert depth_at(ball((1, 0, 0), 10), 4, 4, 0) == pytest.approx(5)
    assert depth_at(ball((1, 0, 0), 10), 1, 0, 12) == pytest.approx(-2)
    np.testing.assert_array_equal(ball((1, 0, 0), 10).low, (-9, -10, -10))


def test_a_bowl_is_hollow_and_open_to_one_side():
    cup = bowl((0, 0, 0), 10, 6, opening=(1, 0, 0), rim_mm=3)
    assert depth_at(cup, -8, 0, 0) == pytest.approx(2)  # amid the wall
    assert depth_at(cup, -1, 0, 0) == pytest.approx(-5)  # in the hollow
    assert depth_at(cup, 8, 0, 0) == pytest.approx(-5)  # beyond the rim


def test_a_crust_is_the_outer_part():
    shell = crust(ball((0, 0, 0), 10), 3)
    assert depth_at(shell, 9, 0, 0) == pytest.approx(1)
    assert depth_at(shell, 8, 0, 0) == pytest.approx(1)
    assert depth_at(shell, 0, 0, 0) == pytest.approx(-7)


def test_a_hole_is_cut_out():
    cut = minus(ball((0, 0, 0), 10), ball((10, 0, 0), 4))
    assert depth_at(cut, 0, 0, 0) == pytest.approx(6)
    assert depth_at(cut, 8, 0, 0) == pytest.approx(-2)


def test_a_moved_shape_takes_its_corners_along():
    aside = moved(ball((0, 0, 0), 10), (5, 0, -2))
    assert depth_at(aside, 5, 0, -2) == pytest.approx(10)
    np.testing.assert_array_equal(aside.high, (15, 10, 8))
