"""Bones that are not vertebrae: where they are, and that no label but the sacrum's is theirs."""

import numpy as np

from spine_tf.datasets.phantom.shapes import Bones, Frame, shifted
from spine_tf.datasets.phantom.skeleton import add_pelvis, add_ribs, add_sacrum, add_skull, rib_path
from spine_tf.datasets.phantom.spine import REGULAR, SACRUM, draw_spine
from spine_tf.datasets.phantom.trunk import draw_trunk

RNG = np.random.default_rng(0)
SPINE = draw_spine(RNG, REGULAR, 0.0, 16.0)
TRUNK = draw_trunk(RNG, SPINE)


def empty(low, high):
    shape = tuple(int(n) for n in (np.subtract(high, low) / 3))
    return Bones(Frame(shape, (3.0, 3.0, 3.0), tuple(float(v) for v in low)))


def test_a_rib_begins_at_its_vertebra_and_goes_round_to_the_front():
    level = SPINE.level(14)
    path = rib_path(level, TRUNK, 7, 1, 90.0)
    assert np.linalg.norm(path[0] - level.place.centre_mm) < 30
    assert path[:, 0].max() > 90
    assert path[-1, 1] > level.place.centre_mm[1] + 60
    assert np.linalg.norm(np.diff(path, axis=0), axis=1).max() < 60


def test_twelve_pairs_of_ribs_leave_the_vertebrae_labels_alone():
    bones = empty((-160, -120, 150), (160, 160, 520))
    ends = add_ribs(bones, SPINE, TRUNK, np.random.default_rng(0))
    assert len(ends) == 20
    owners = np.unique(bones.owner[bones.depth_mm > 0])
    assert len(owners) == 24
    assert owners.min() > 28


def test_the_sacrum_lies_below_and_behind_the_last_vertebra_and_has_a_canal():
    bones = empty((-70, -120, -140), (70, 50, 10))
    add_sacrum(bones, SPINE, np.random.default_rng(0))
    inside = np.argwhere((bones.depth_mm > 0) & (bones.owner == SACRUM)) * 3 + bones.frame.origin_mm
    assert 100 < len(inside) * 27 / 1000 < 400
    assert inside[:, 2].max() < 8
    assert inside[inside[:, 2] < -60][:, 1].mean() < inside[inside[:, 2] > -20][:, 1].mean()


def test_hips_and_skull_lie_to_both_sides_of_and_above_the_spine():
    bones = empty((-170, -110, -180), (170, 110, 40))
    add_pelvis(bones, SPINE)
    solid = bones.depth_mm > 0
    assert abs(solid[: solid.shape[0] // 2].sum() / solid.sum() - 0.5) < 0.05
    top = SPINE.levels[0].place.centre_mm
    head = empty(shifted(top, -90, -110, -20), shifted(top, 90, 130, 160))
    add_skull(head, SPINE)
    middle = tuple(np.round((shifted(top, 0, 22, 80) - head.frame.origin_mm) / 3).astype(int))
    assert head.depth_mm[middle] < 0
    assert (head.depth_mm > 0).sum() > 1000
