"""The skull: hollow, open where the cord leaves it, background throughout."""

import numpy as np
import pytest

from spine_tf.data.synthesis.phantom.bones import Bones
from spine_tf.data.synthesis.phantom.paint import Painter
from spine_tf.data.synthesis.phantom.shapes import Frame, shifted
from spine_tf.data.synthesis.phantom.skull import MANDIBLE, SKULL, TEETH, add_skull, head_origin, paint_head
from spine_tf.data.synthesis.phantom.spine import REGULAR, draw_spine
from spine_tf.data.synthesis.phantom.tissue import Tissue

SPINE = draw_spine(np.random.default_rng(0), REGULAR, 0.0, 16.0)
ZERO = head_origin(SPINE)
FRAME = Frame((70, 80, 90), (3.0, 3.0, 3.0), tuple(float(v) for v in ZERO - [105, 105, 110]))


@pytest.fixture(scope="module")
def head():
    bones = Bones(FRAME)
    add_skull(bones, SPINE, np.random.default_rng(0))
    return bones


def at(x, y, z):
    return tuple(np.round((shifted(ZERO, x, y, z) - FRAME.origin_mm) / 3).astype(int))


def test_the_skull_is_hollow_and_open_below(head):
    assert head.depth_mm[at(0, 22, 62)] < 0
    x, y, _ = at(0, 22, 62)
    upwards = head.depth_mm[x, y, at(0, 0, 62)[2] :] > 0
    assert upwards.any()
    hole = head.depth_mm[at(0, 0, 0)[0], at(0, 0, 0)[1]]
    assert not (hole[: at(0, 0, 40)[2]] > 0).any()


def test_skull_jaw_and_teeth_are_there_and_nothing_of_them_is_spine(head):
    owners = np.unique(head.owner[head.depth_mm > 0])
    assert {SKULL, MANDIBLE} <= set(owners)
    assert owners.min() > 28
    jaw, skull = (np.argwhere((head.owner == o) & (head.depth_mm > 0))[:, 2].mean() for o in (MANDIBLE, SKULL))
    assert jaw < skull
    teeth = np.isin(head.owner, [TEETH, TEETH + 1]) & (head.depth_mm > 0)
    assert head.extra_hu[teeth].mean() > 300


def test_a_brain_and_air_are_painted_in_the_body_only():
    paint = Painter(
        FRAME, np.full(FRAME.shape, Tissue.MUSCLE, np.uint8), np.ones(FRAME.shape, bool), np.random.default_rng(0)
    )
    paint.tissue[:35] = Tissue.AIR
    paint_head(paint, SPINE)
    assert paint.tissue[at(20, 22, 62)] == Tissue.BRAIN
    assert {Tissue.GAS, Tissue.THYROID} <= set(np.unique(paint.tissue))
    assert (paint.tissue[:34] == Tissue.AIR).all()
