from dataclasses import replace

import numpy as np
import pytest

from spine_tf.data.synthesis.phantom.shapes import Frame
from spine_tf.data.synthesis.phantom.tissue import Tissue
from spine_tf.data.synthesis.warping import Move, add_screws, draw_move, warp

STILL = Move(np.eye(3), np.zeros(3), 0.0, (0.0, 0.0))
"""Nothing moves: mm of the new body are mm of the map."""


def own_frame(made_body) -> Frame:
    hu, _, spacing_mm, first_mm = made_body
    return Frame(hu.shape, spacing_mm, first_mm)


def warped(arrays, frame, move=STILL, seed=0, **more):
    return warp(arrays, move, frame, np.random.default_rng(seed), rough_mm=0.0, **more)


def dice(a, b) -> float:
    return 2 * np.sum(a & b) / (a.sum() + b.sum())


def test_a_map_that_does_not_move_is_itself(made_body, body_arrays):
    made = warped(body_arrays, own_frame(made_body))
    for label, verse in ((31, 20), (30, 21)):
        assert dice(made.labels == verse, made_body[1] == label) > 0.97
        np.testing.assert_allclose(made.places[verse], (0, 20, 60 if verse == 20 else 20), atol=2.5)
    assert set(np.unique(made.labels)) == {0, 20, 21}
    lung = made_body[1] == 11
    assert (made.scene.tissue[lung] == Tissue.LUNG).mean() > 0.9


def test_bone_lies_under_the_labels_and_arches_are_known(made_body, body_arrays):
    made = warped(body_arrays, own_frame(made_body))
    bones = made.scene.bones
    assert (made.labels > 0)[bones.depth_mm > 0].all()
    front = made.scene.frame.axis_mm(1) > 10
    spine = made.labels > 0
    assert not (bones.arch & spine & front).any()
    assert bones.arch[spine & (made.scene.frame.axis_mm(1) < 0)].all()


def test_a_larger_body_seen_from_the_other_side(made_body, body_arrays):
    forward = np.diag([-1.25, 1.25, 1.25])
    move = replace(STILL, matrix=np.linalg.inv(forward), middle_mm=np.array([0.0, 20, 40]))
    frame = Frame((60, 60, 50), (2.0, 2.0, 2.0), (-59.0, -90.0, -49.0))
    made = warped(body_arrays, frame, move)
    assert move.growth == pytest.approx(1.25)
    np.testing.assert_allclose(made.places[20], (0, 0, 25), atol=3)
    volume_mm3 = (made_body[1] == 31).sum() * np.prod(made_body[2])
    assert (made.labels == 20).sum() * 8 == pytest.approx(1.25**3 * volume_mm3, rel=0.06)
    # The lung was on the left of x = 0 and is on the right now.
    right = frame.axis_mm(0) > 0
    lung = made.scene.tissue == Tissue.LUNG
    assert (lung & right).sum() > 20 * (lung & ~right).sum()


def test_a_pressed_vertebra_loses_height_in_front_and_what_lies_above_sinks(body_arrays):
    frame = Frame((48, 48, 80), (2.0, 2.0, 1.0), (-47.0, -47.0, 0.0))
    whole = warped(body_arrays, frame)
    pressed = warped(body_arrays, frame, replace(STILL, fractures=((21, 0.5, 0.0),)))
    x, front, back = 23, int((30 + 47) / 2), int((9 + 47) / 2)

    def height(made, y):
        return (made.labels[x, y] == 21).sum()

    assert height(pressed, front) < 0.72 * height(whole, front)
    assert height(pressed, back) > 0.85 * height(whole, back)
    assert pressed.places[20][2] < whole.places[20][2] - 3
    assert pressed.places[21][1] == pytest.approx(whole.places[21][1], abs=2)


def test_calcium_lies_in_the_walls_of_arteries_only(made_body, body_arrays):
    made = warped(body_arrays, own_frame(made_body), calcified=1.0)
    calcium = made.scene.tissue == Tissue.CALCIUM
    assert calcium.any()
    x, y = (made.scene.frame.axis_mm(axis) for axis in range(2))
    radius = np.broadcast_to(np.hypot(x - 20, y - 10), calcium.shape)[calcium]
    assert 2 < radius.min() <= radius.max() < 10


def test_screws_run_through_the_pedicles_into_the_body(made_body, body_arrays):
    made = warped(body_arrays, own_frame(made_body))
    add_screws(made, body_arrays, STILL, [20, 21])
    metal = made.scene.metal
    assert metal[made.labels == 20].any()
    assert metal[made.labels == 21].any()
    x = made.scene.frame.axis_mm(0)
    assert (metal & (x > 3)).any()
    assert (metal & (x < -3)).any()
    # Nothing in the canal.
    assert not metal[np.abs(x).ravel() < 3].any()


def test_drawn_moves_keep_bones_bones(body_arrays):
    moves = [draw_move(np.random.default_rng(seed), body_arrays, (0, 0, 0), wide=False) for seed in range(60)]
    lengths = np.array([np.linalg.svd(np.linalg.inv(move.matrix))[1] for move in moves])
    assert lengths.min() > 0.6
    assert lengths.max() < 1.6
    assert {np.sign(np.linalg.det(move.matrix)) for move in moves} == {-1.0, 1.0}
    assert 0 < sum(bool(move.fractures) for move in moves) < 30
