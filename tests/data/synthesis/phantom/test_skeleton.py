"""The cage: where its bones are, and that none of them is labelled."""

import numpy as np

from spine_tf.data.synthesis.phantom.bones import Bones
from spine_tf.data.synthesis.phantom.paint import Painter
from spine_tf.data.synthesis.phantom.shapes import Frame
from spine_tf.data.synthesis.phantom.skeleton import STERNUM, add_ribs, add_sternum, paint_cartilage, rib_path
from spine_tf.data.synthesis.phantom.spine import REGULAR, draw_spine
from spine_tf.data.synthesis.phantom.tissue import Tissue
from spine_tf.data.synthesis.phantom.trunk import draw_trunk

RNG = np.random.default_rng(0)
SPINE = draw_spine(RNG, REGULAR, 0.0, 16.0)
TRUNK = draw_trunk(RNG, SPINE)
LOW = (-170, -140, 130)
FRAME = Frame((114, 110, 146), (3.0, 3.0, 3.0), LOW)


def test_a_rib_begins_at_its_vertebra_and_goes_round_to_the_front():
    level = SPINE.level(14)
    path = rib_path(level, TRUNK, 7, 1, 90.0)
    assert np.linalg.norm(path[0] - level.place.centre_mm) < 30
    assert path[:, 0].max() > 90
    assert path[-1, 1] > level.place.centre_mm[1] + 60
    assert np.linalg.norm(np.diff(path, axis=0), axis=1).max() < 60


def test_twelve_pairs_of_ribs_leave_the_vertebrae_labels_alone():
    bones = Bones(FRAME)
    ends = add_ribs(bones, SPINE, TRUNK, np.random.default_rng(0))
    assert len(ends) == 20
    owners = np.unique(bones.owner[bones.depth_mm > 0])
    assert len(owners) == 24
    assert owners.min() > 28


def test_the_breast_bone_lies_in_front_of_the_chest():
    bones = Bones(FRAME)
    add_sternum(bones, SPINE, TRUNK)
    assert set(np.unique(bones.owner[bones.depth_mm > 0])) == {STERNUM, STERNUM + 1, STERNUM + 2}
    y = np.argwhere(bones.depth_mm > 0)[:, 1].mean() * 3 + LOW[1]
    assert y > SPINE.level(13).place.centre_mm[1] + 60


def test_cartilage_calcifies_in_the_old():
    ends = [np.array([sign * 90.0, 60.0, 300.0]) for sign in (-1, 1)]
    calcium = []
    for calcified in (0.0, 1.0):
        paint = Painter(FRAME, np.zeros(FRAME.shape, np.uint8), np.ones(FRAME.shape, bool), np.random.default_rng(0))
        paint_cartilage(paint, SPINE, ends, calcified)
        assert (paint.tissue == Tissue.CARTILAGE).any()
        calcium.append(np.isin(paint.tissue, [Tissue.CALCIUM, Tissue.CALCIFIED]).sum())
    assert calcium[0] == 0
    assert calcium[1] > 5
