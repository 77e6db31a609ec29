"""Depths of shapes at places where they can be worked out by hand."""

import numpy as np
import pytest

from spine_tf.data.synthesis.phantom.shapes import (
    Frame,
    Placement,
    block,
    capsule,
    ellipsoid,
    enclosing,
    evaluate,
    rotation,
    size_of,
    smooth_max,
    within,
)

FRAME = Frame((41, 41, 41), (1.0, 1.0, 1.0), (-20.0, -20.0, -20.0))


def depth_at(shape, *point):
    return float(shape.depth(*(np.float32([p]) for p in point))[0])


def test_depth_is_the_distance_below_the_surface():
    ball = ellipsoid((0, 0, 0), (10, 10, 10))
    assert depth_at(ball, 7, 0, 0) == pytest.approx(3)
    assert depth_at(ball, 0, 12, 0) == pytest.approx(-2)
    rod = capsule((-5, 0, 0), (5, 0, 0), 2, 2)
    assert depth_at(rod, 0, 0, 0) == pytest.approx(2)
    assert depth_at(rod, 8, 0, 0) == pytest.approx(-1)
    assert depth_at(block((0, 0, 0), (10, 10, 4), 1.0), 0, 0, 3) == pytest.approx(1)


def test_a_shape_is_evaluated_in_its_box_only_and_fills_its_volume():
    box, depth = evaluate(ellipsoid((0, 0, 0), (8, 8, 8)), FRAME)
    assert depth.shape == (25, 25, 25)  # 8 mm and the margin of 4 mm to each side
    assert (depth > 0).sum() == pytest.approx(4 / 3 * np.pi * 8**3, rel=0.03)
    assert [part.start for part in box] == [8, 8, 8]


def test_outside_the_grid_nothing_is_evaluated():
    _, depth = evaluate(ellipsoid((200, 0, 0), (5, 5, 5)), FRAME)
    assert depth.size == 0


def test_a_placement_turns_and_moves_a_shape():
    quarter = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    place = Placement(np.array([3.0, 0, 0]), quarter)
    np.testing.assert_allclose(place.to_world((5, 0, 0)), (3, 5, 0))
    box, depth = evaluate(capsule((0, 0, 0), (8, 0, 0), 2, 2), FRAME, place)
    whole = np.zeros(FRAME.shape, bool)
    whole[box] = depth > 0
    assert whole[23, 27, 20]  # 3 mm right and 7 mm in front
    assert not whole[29, 20, 20]


def test_smooth_max_lies_above_both_by_a_quarter_of_the_blend_where_they_meet():
    assert smooth_max(np.float32(1), np.float32(1), 2.0) == pytest.approx(1.5)
    assert smooth_max(np.float32(1), np.float32(5), 2.0) == pytest.approx(5)


def test_a_shape_that_is_not_placed_has_the_depth_of_one_placed_at_the_origin():
    shape = capsule((-5, 1, 2), (5, 3, -4), 3, 2)
    plain, turned = evaluate(shape, FRAME), evaluate(shape, FRAME, Placement(np.zeros(3), np.eye(3)))
    assert plain[0] == turned[0]
    np.testing.assert_allclose(plain[1], turned[1], atol=1e-4)


def test_a_part_of_a_grid_keeps_its_place():
    part = FRAME.part((slice(3, 13), slice(0, 41), slice(40, 41)))
    assert part.shape == (10, 41, 1)
    assert part.origin_mm == (-17.0, -20.0, 20.0)


def test_a_grid_has_an_affine_and_knows_where_a_point_lies():
    frame = Frame((10, 10, 10), (2.0, 1.0, 1.0), (-4.0, 0.0, 3.0))
    np.testing.assert_array_equal(frame.affine @ (3, 1, 0, 1), (2, 1, 3, 1))
    np.testing.assert_array_equal(frame.voxel((1, 2, 12)), (2.5, 2, 9))
    assert frame.voxel((1, 2, 12.5)) is None


def test_a_rotation_turns_about_x_first():
    quarter = np.pi / 2
    np.testing.assert_allclose(rotation(quarter, 0, 0) @ (0, 1, 0), (0, 0, 1), atol=1e-12)
    np.testing.assert_allclose(rotation(quarter, quarter, 0) @ (0, 1, 0), (1, 0, 0), atol=1e-12)


def test_boxes_are_enclosed_and_counted_from_the_outer_one():
    first, second = (slice(2, 4), slice(5, 6)), (slice(3, 9), slice(1, 2))
    around = enclosing([first, second])
    assert around == (slice(2, 9), slice(1, 6))
    assert size_of(around) == (7, 5)
    assert within(second, around) == (slice(1, 7), slice(0, 1))
