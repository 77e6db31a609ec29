"""Shoulders and arms: poses, sides, and that none of it is spine."""

import numpy as np
import pytest

from spine_tf.data.synthesis.phantom.bones import Bones
from spine_tf.data.synthesis.phantom.shapes import Frame
from spine_tf.data.synthesis.phantom.shoulder import CLAVICLE, HUMERUS, SCAPULA, add_arms, add_shoulders, draw_arms
from spine_tf.data.synthesis.phantom.spine import REGULAR, draw_spine
from spine_tf.data.synthesis.phantom.trunk import draw_trunk

RNG = np.random.default_rng(0)
SPINE = draw_spine(RNG, REGULAR, 0.0, 16.0)
TRUNK = draw_trunk(RNG, SPINE)
DRAWN = [draw_arms(np.random.default_rng(seed), SPINE, TRUNK) for seed in range(40)]


def test_arms_are_raised_or_lie_outside_the_trunk():
    raised = [arm for arms in DRAWN for arm in arms if arm.raised]
    lying = [arm for arms in DRAWN for arm in arms if not arm.raised]
    assert min(len(raised), len(lying)) > 15
    assert all(arm.elbow[2] > arm.shoulder[2] + 150 for arm in raised)
    for arm in lying:
        assert arm.elbow[2] < arm.shoulder[2] - 150
        assert arm.side * arm.elbow[0] > TRUNK.at(TRUNK.skin, arm.elbow[2])[0]


@pytest.mark.parametrize("raised", [True, False])
def test_girdle_and_arms_have_two_sides_and_no_label(raised):
    arms = next(arms for arms in DRAWN if all(arm.raised == raised for arm in arms))
    x, y, z = SPINE.level(10).place.centre_mm
    bones = Bones(Frame((150, 90, 100), (3.0, 3.0, 3.0), (x - 225, y - 130, z - 160)))
    add_shoulders(bones, SPINE, TRUNK, arms)
    add_arms(bones, SPINE, arms)
    owners = np.unique(bones.owner[bones.depth_mm > 0])
    assert {SCAPULA, SCAPULA + 1, CLAVICLE, CLAVICLE + 1, HUMERUS, HUMERUS + 1} <= set(owners)
    assert owners.min() > 28
    for owner in (SCAPULA, CLAVICLE, HUMERUS):
        left, right = ((bones.owner == owner + side) & (bones.depth_mm > 0) for side in (0, 1))
        assert np.argwhere(left)[:, 0].mean() < 75 < np.argwhere(right)[:, 0].mean()
