"""Bones merged at places where the depth can be worked out by hand."""

import pytest

from spine_tf.data.synthesis.phantom.bones import Bones, brighten, make_tubular, merge_parts
from spine_tf.data.synthesis.phantom.pelvis import FEMUR
from spine_tf.data.synthesis.phantom.shapes import Frame, capsule, ellipsoid

FRAME = Frame((41, 41, 41), (1.0, 1.0, 1.0), (-20.0, -20.0, -20.0))


def test_bones_of_two_owners_keep_a_joint_space_and_parts_of_one_grow_together():
    for other, gap in ((2, True), (1, False)):
        bones = Bones(FRAME)
        bones.add_shapes([ellipsoid((-6, 0, 0), (8, 8, 8))], 1, gap_mm=2.0)
        bones.add_shapes([ellipsoid((6, 0, 0), (8, 8, 8))], other, gap_mm=2.0)
        assert (bones.depth_mm[20, 20, 20] <= 0) == gap
        assert bones.depth_mm[12, 20, 20] > 4


def test_brightening_adds_hu_inside_alone_and_fades_in():
    bones = Bones(FRAME)
    brighten(bones, ellipsoid((0, 0, 0), (10, 10, 10)), 300, soft_mm=4.0)
    assert bones.extra_hu[20, 20, 20] == 300
    assert bones.extra_hu[28, 20, 20] == pytest.approx(150, abs=1)  # 2 mm deep
    assert bones.extra_hu[32, 20, 20] == 0


def test_a_long_bone_has_a_thick_wall_around_fat_marrow():
    bones = Bones(Frame((61, 61, 121), (1.0, 1.0, 1.0), (-30.0, -30.0, -60.0)))
    bones.add_shapes([capsule((0, 0, -80), (0, 0, 80), 14, 14)], FEMUR)
    make_tubular(bones, FEMUR, (0, 0, -50), (0, 0, 50), 5.0)
    assert bones.extra_hu[30, 30, 60] < -200
    assert bones.extra_hu[30 + 12, 30, 60] > 800


def test_parts_of_one_bone_flow_into_each_other():
    halves = [ellipsoid((x, 0, 0), (8, 8, 8)) for x in (-8, 8)]
    plain, blended = Bones(FRAME), Bones(FRAME)
    plain.add_shapes(halves, 1)
    merge_parts(blended, halves, 1, gap_mm=2.0)
    # Both balls end at the middle; the fillet adds a quarter of its 5 mm.
    assert plain.depth_mm[20, 20, 20] == 0
    assert blended.depth_mm[20, 20, 20] == pytest.approx(1.25)
