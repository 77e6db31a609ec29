"""Blocks with a spike behind them, whose places and sizes are known."""

import numpy as np
import pytest

from spine_tf.data.synthesis.phantom.shapes import Frame
from spine_tf.data.synthesis.vertebra_shapes import cut_shape, measure_vertebrae

FRAME = Frame((70, 90, 100), (1.0, 1.0, 1.0), (-35.0, -50.0, 0.0))


def chain(slope=0.0):
    """Depth and owner of three blocks of 32 x 24 x 20 mm, 30 mm apart; a mm higher is `slope` mm further forward."""
    depth, owner = np.full(FRAME.shape, -9.0, np.float32), np.zeros(FRAME.shape, np.uint8)
    x, y, z = (FRAME.axis_mm(axis) for axis in range(3))
    for label, middle in ((20, 80), (21, 50), (22, 20)):
        ahead = slope * (middle - 50)
        body = np.minimum(np.minimum(16 - np.abs(x), 12 - np.abs(y - ahead)), 10 - np.abs(z - middle))
        spike = np.minimum(np.minimum(4 - np.abs(x), 16 - np.abs(y - ahead + 26)), 4 - np.abs(z - middle))
        inside = np.maximum(body, spike)
        depth[inside > 0], owner[inside > 0] = inside[inside > 0], label
    return depth, owner


def test_bodies_are_found_and_measured():
    found = measure_vertebrae(chain()[1], chain()[0], FRAME)
    assert [one.label for one in found] == [20, 21, 22]
    for one, z in zip(found, (80, 50, 20), strict=True):
        np.testing.assert_allclose(one.place.centre_mm, (0, 0, z), atol=2)
        np.testing.assert_allclose(one.place.rotation, np.eye(3), atol=0.05)
        assert (one.width, one.depth, one.height, one.rear) == pytest.approx((32, 24, 20, 12), abs=2.5)
        assert one.whole


def test_up_follows_the_spine():
    depth, owner = chain(slope=0.3)
    middle = measure_vertebrae(owner, depth, FRAME)[1]
    expected = np.array([0, 0.3, 1]) / np.hypot(0.3, 1)
    np.testing.assert_allclose(middle.place.rotation[:, 2], expected, atol=0.03)
    np.testing.assert_allclose(middle.place.rotation.T @ middle.place.rotation, np.eye(3), atol=1e-6)
    assert np.linalg.det(middle.place.rotation) == pytest.approx(1)


def test_a_vertebra_that_the_border_cuts_is_not_whole():
    depth, owner = chain()
    lower = Frame((70, 90, 72), FRAME.spacing_mm, FRAME.origin_mm)
    found = measure_vertebrae(owner[:, :, :72], depth[:, :, :72], lower)
    assert {one.label: one.whole for one in found}[21]
    assert not {one.label: one.whole for one in found}.get(20, False)


def test_a_crushed_vertebra_is_not_to_be_used_elsewhere():
    depth, owner = chain()
    roof = (owner == 21) & (FRAME.axis_mm(2) > 48) & (FRAME.axis_mm(1) > -11)
    found = measure_vertebrae(np.where(roof, 0, owner), np.where(roof, -1, depth), FRAME)
    assert [one.whole for one in found] == [True, False, True]


def test_one_vertebra_alone_has_no_direction():
    depth, owner = chain()
    assert measure_vertebrae(np.where(owner == 21, owner, 0), depth, FRAME) == []


def test_a_shape_is_the_vertebra_seen_from_itself_and_a_missing_side_is_the_other_ones():
    depth, owner = chain()
    one = measure_vertebrae(owner, depth, FRAME)[1]
    alone = np.where(owner == 21, depth, -9).astype(np.float32)
    whole = cut_shape(one, alone, FRAME, FRAME)
    half = Frame((45, 90, 100), FRAME.spacing_mm, FRAME.origin_mm)
    mended = cut_shape(one, alone[:45], half, half)
    u, v, w = 62, 88, 64
    assert whole[u, v, w] > 8
    assert whole[u - 14, v, w] > 0 > whole[u - 20, v, w]
    assert whole[u, v - 35, w] > 0 > whole[u, v - 48, w]
    # Only the side beyond x = 9 mm was lost; the blocks are the same right and left.
    assert ((whole > 0) != (mended > 0)).mean() < 0.002
    assert mended[u + 14, v, w] > 0


def test_what_lies_outside_the_part_but_in_the_map_is_no_bone():
    depth, owner = chain()
    one = measure_vertebrae(owner, depth, FRAME)[1]
    alone = np.where(owner == 21, depth, -9).astype(np.float32)
    alone[:30] = -9  # an uneven vertebra: only the right side and the middle
    part = Frame((35, 90, 100), FRAME.spacing_mm, (-5.0, -50.0, 0.0))
    shape = cut_shape(one, alone[30:65], part, FRAME)
    assert shape[62 + 14, 88, 64] > 0 > shape[62 - 14, 88, 64]
