"""Sacrum, hip bones and thighs: where they are, and that no label but the sacrum's is theirs."""

import numpy as np
import pytest

from spine_tf.data.synthesis.phantom.bones import Bones
from spine_tf.data.synthesis.phantom.pelvis import FEMUR, HIP, HIP_CENTRE, add_pelvis, add_sacrum
from spine_tf.data.synthesis.phantom.shapes import Frame
from spine_tf.data.synthesis.phantom.spine import REGULAR, draw_spine
from spine_tf.scans.labels import SACRUM

SPINE = draw_spine(np.random.default_rng(0), REGULAR, 0.0, 16.0)


def empty(low, high, step=3.0):
    shape = tuple(int(n) for n in (np.subtract(high, low) / step))
    return Bones(Frame(shape, (step,) * 3, tuple(float(v) for v in low)))


@pytest.fixture(scope="module")
def pelvis():
    bones = empty((-190, -120, -240), (190, 110, 60))
    add_sacrum(bones, SPINE, np.random.default_rng(0))
    add_pelvis(bones, SPINE, np.random.default_rng(0))
    return bones


def test_the_sacrum_lies_below_and_behind_the_last_vertebra_and_has_a_canal():
    bones = empty((-70, -120, -140), (70, 50, 10))
    add_sacrum(bones, SPINE, np.random.default_rng(0))
    inside = np.argwhere((bones.depth_mm > 0) & (bones.owner == SACRUM)) * 3 + bones.frame.origin_mm
    assert 100 < len(inside) * 27 / 1000 < 400
    assert inside[:, 2].max() < 8
    assert inside[inside[:, 2] < -60][:, 1].mean() < inside[inside[:, 2] > -20][:, 1].mean()


def test_no_bone_of_the_pelvis_is_a_vertebra(pelvis):
    owners = set(np.unique(pelvis.owner[pelvis.depth_mm > 0]))
    assert {SACRUM, HIP, HIP + 1, FEMUR, FEMUR + 1} <= owners
    assert not owners & {*range(1, 26), 28}


def test_hips_lie_to_both_sides(pelvis):
    left, right = ((pelvis.owner == HIP + side) & (pelvis.depth_mm > 0) for side in (0, 1))
    assert left.sum() == pytest.approx(right.sum(), rel=0.05)
    x = [np.argwhere(one)[:, 0].mean() * 3 - 190 for one in (left, right)]
    assert -120 < x[0] < -40
    assert 40 < x[1] < 120


def test_a_joint_space_parts_hip_bone_and_thigh():
    # The sideways flare of the pelvis is drawn, so the head is looked for where a femur is deepest near the joint.
    bones = empty((40, -50, -180), (160, 70, -60), 1.5)
    add_pelvis(bones, SPINE, np.random.default_rng(0))
    femur = (bones.owner == FEMUR + 1) & (bones.depth_mm > 0)
    hip = (bones.owner == HIP + 1) & (bones.depth_mm > 0)
    assert femur.any()
    assert hip.any()
    from scipy import ndimage

    to_femur = ndimage.distance_transform_edt(~femur) * 1.5
    assert 1.4 < to_femur[hip].min() < 6
    head = np.round((HIP_CENTRE * SPINE.scale - bones.frame.origin_mm) / 1.5).astype(int)
    assert to_femur[tuple(head)] < 10
