"""Depths of shapes at places where they can be worked out by hand."""

import numpy as np
import pytest

from spine_tf.data.synthesis.phantom.shapes import (
    Bones,
    Frame,
    Placement,
    block,
    blur,
    brighten,
    capsule,
    ellipsoid,
    evaluate,
    smooth_max,
    smooth_noise,
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


def test_bones_of_two_owners_keep_a_joint_space_and_parts_of_one_grow_together():
    for other, gap in ((2, True), (1, False)):
        bones = Bones(FRAME)
        bones.add_shapes([ellipsoid((-6, 0, 0), (8, 8, 8))], 1, gap_mm=2.0)
        bones.add_shapes([ellipsoid((6, 0, 0), (8, 8, 8))], other, gap_mm=2.0)
        assert (bones.depth_mm[20, 20, 20] <= 0) == gap
        assert bones.depth_mm[12, 20, 20] > 4


def test_smooth_max_lies_above_both_by_a_quarter_of_the_blend_where_they_meet():
    assert smooth_max(np.float32(1), np.float32(1), 2.0) == pytest.approx(1.5)
    assert smooth_max(np.float32(1), np.float32(5), 2.0) == pytest.approx(5)


def test_noise_is_of_unit_strength_and_smooth():
    noise = smooth_noise(np.random.default_rng(0), FRAME, 5.0)
    assert noise.dtype == np.float32
    assert abs(noise.mean()) < 0.2
    assert noise.std() == pytest.approx(1, abs=0.15)
    assert np.abs(np.diff(noise, axis=0)).mean() < 0.4


def test_blur_keeps_the_sum_and_leaves_coarse_axes_alone():
    peak = np.zeros((21, 21, 21), np.float32)
    peak[10, 10, 10] = 1
    soft = blur(peak, 1.0, (1.0, 1.0, 20.0))
    assert soft.sum() == pytest.approx(1, abs=1e-4)
    assert not soft[:, :, 9].any()


def test_a_shape_that_is_not_placed_has_the_depth_of_one_placed_at_the_origin():
    shape = capsule((-5, 1, 2), (5, 3, -4), 3, 2)
    plain, turned = evaluate(shape, FRAME), evaluate(shape, FRAME, Placement(np.zeros(3), np.eye(3)))
    assert plain[0] == turned[0]
    np.testing.assert_allclose(plain[1], turned[1], atol=1e-4)


def test_brightening_adds_hu_inside_alone_and_fades_in():
    bones = Bones(FRAME)
    brighten(bones, ellipsoid((0, 0, 0), (10, 10, 10)), 300, soft_mm=4.0)
    assert bones.extra_hu[20, 20, 20] == 300
    assert bones.extra_hu[28, 20, 20] == pytest.approx(150, abs=1)  # 2 mm deep
    assert bones.extra_hu[32, 20, 20] == 0


def test_a_part_of_a_grid_keeps_its_place():
    part = FRAME.part((slice(3, 13), slice(0, 41), slice(40, 41)))
    assert part.shape == (10, 41, 1)
    assert part.origin_mm == (-17.0, -20.0, 20.0)
