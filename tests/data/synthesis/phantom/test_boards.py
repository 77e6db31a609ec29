"""Depths of boards at places where they can be worked out by hand."""

import numpy as np
import pytest

from spine_tf.data.synthesis.phantom.boards import plate, polygon_depth, sheet, slab


def depth_at(shape, *point):
    return float(shape.depth(*(np.float32([p]) for p in point))[0])


def test_a_plate_is_thin_along_its_normal():
    board = plate((0, 0, 0), (0, -10, 0), 3, (6, 6), 0)
    assert depth_at(board, 0, -5, 0) == pytest.approx(3)
    assert depth_at(board, 2, -5, 0) == pytest.approx(1)
    assert depth_at(board, 0, -5, 8) == pytest.approx(-2)


def test_a_slab_may_face_any_way_and_be_bent():
    board = slab((1, 0, 0), (1, 1, 0), 2, 8, 9)
    across = np.sqrt(0.5)
    assert depth_at(board, 1, 0, 0) == pytest.approx(2)
    assert depth_at(board, 1 + across, across, 0) == pytest.approx(1, abs=1e-5)
    assert depth_at(board, 1 - 3 * across, 3 * across, 0) > 1.5
    assert depth_at(board, 1, 0, 10) < 0
    bent = slab((0, 0, 0), (1, 0, 0), 2, 8, 9, bow=0.05)
    # 5 mm across, the middle of the board lies 0.05 * 25 mm further along the normal.
    assert depth_at(bent, 1.25, 5, 0) > depth_at(bent, -1.25, 5, 0) + 1


def test_depth_in_a_polygon_is_the_distance_to_its_edge():
    square = np.float32([(0, 0), (10, 0), (10, 10), (0, 10)])
    a, b = np.float32([5, 1, -3, 13]), np.float32([5, 5, 5, 14])
    np.testing.assert_allclose(polygon_depth(square, a, b), [5, 1, -3, -5], atol=1e-5)


def test_a_sheet_lies_where_its_middle_says_and_ends_at_its_outline():
    wing = sheet(
        0,
        (-5, 0, 0),
        (15, 20, 20),
        middle=lambda y, z: np.float32(0.5) * y + 0 * z,
        half_thick=lambda y, z, inside: np.float32(2),
        outline=[(0, 0), (20, 0), (20, 20), (0, 20)],
    )
    assert depth_at(wing, 5, 10, 10) == pytest.approx(2)
    # 1 mm aside along x is less, at right angles to a board that rises by one in two.
    assert depth_at(wing, 6, 10, 10) == pytest.approx(2 - 1 / np.sqrt(1.25))
    assert depth_at(wing, 10, 20.5, 10) < 0
