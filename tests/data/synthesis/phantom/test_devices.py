"""Table and metal."""

import numpy as np

from spine_tf.data.synthesis.phantom.devices import _hip_prosthesis, _leads, add_screws, draw_metal, paint_table
from spine_tf.data.synthesis.phantom.paint import Painter
from spine_tf.data.synthesis.phantom.pelvis import HIP_CENTRE
from spine_tf.data.synthesis.phantom.shapes import Frame, capsule
from spine_tf.data.synthesis.phantom.spine import REGULAR, draw_spine
from spine_tf.data.synthesis.phantom.tissue import Tissue
from spine_tf.data.synthesis.phantom.trunk import draw_trunk

RNG = np.random.default_rng(0)
SPINE = draw_spine(RNG, REGULAR, 0.0, 16.0)
TRUNK = draw_trunk(RNG, SPINE)


def test_a_table_lies_behind_the_back_in_air_only():
    back = float((TRUNK.skin_centre[:10, 1] - TRUNK.skin[:10, 1]).min())
    frame = Frame((40, 60, 4), (3.0, 2.0, 3.0), (-60.0, back - 90, 0.0))
    paint = Painter(frame, np.zeros(frame.shape, np.uint8), np.ones(frame.shape, bool), np.random.default_rng(0))
    paint.tissue[:, 50:] = Tissue.SKIN
    paint_table(paint, TRUNK)
    assert (paint.tissue[:, 50:] == Tissue.SKIN).all()
    assert {Tissue.TABLE, Tissue.FOAM} <= set(np.unique(paint.tissue[:, :46]))


def test_screws_stand_on_both_sides_of_their_vertebra():
    level = SPINE.level(22)
    frame = Frame((80, 100, 60), (1.0, 1.0, 1.0), tuple(level.place.centre_mm - [40, 70, 30]))
    metal = np.zeros(frame.shape, bool)
    add_screws(metal, frame, SPINE, (22,), np.random.default_rng(0))
    assert metal[:38].sum() > 200
    assert metal[42:].sum() > 200
    assert not metal[39:41].any()
    nothing = np.zeros(frame.shape, bool)
    add_screws(nothing, frame, SPINE, (), np.random.default_rng(0))
    assert not nothing.any()


def test_a_wire_thinner_than_a_voxel_is_kept_when_asked_for():
    frame = Frame((9, 9, 9), (2.0, 2.0, 2.0), (-8.0, -8.0, -8.0))
    # It passes 0.7 mm beside the middles of the voxels.
    wire = [capsule((0.7, 0, -20), (0.7, 0, 20), 0.3, 0.3)]
    thin, kept = np.zeros(frame.shape, bool), np.zeros(frame.shape, bool)
    draw_metal(thin, frame, wire)
    draw_metal(kept, frame, wire, least_mm=0.8)
    assert not thin.any()
    assert kept[4, 4].all()
    assert kept.sum() == 9


def test_leads_lie_on_the_skin_and_a_hip_prosthesis_in_the_hip():
    for shape in _leads(SPINE, TRUNK, np.random.default_rng(0)):
        x, y, z = (shape.low + shape.high) / 2
        half_x, half_y = TRUNK.at(TRUNK.skin, z)
        cx, cy = TRUNK.at(TRUNK.skin_centre, z)
        assert ((x - cx) / half_x) ** 2 + ((y - cy) / half_y) ** 2 > 0.75
    _, ball, *_ = _hip_prosthesis(SPINE, TRUNK, np.random.default_rng(0))
    middle = (ball.low + ball.high) / 2
    np.testing.assert_allclose(np.abs(middle), np.abs(HIP_CENTRE) * SPINE.scale, rtol=1e-4)
