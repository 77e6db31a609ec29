"""Lesions change HU, never the outline; flowing bone belongs to the spine."""

import numpy as np

from spine_tf.data.synthesis.phantom.bones import Bones
from spine_tf.data.synthesis.phantom.lesions import KINDS, add_flowing_bone, add_lesions
from spine_tf.data.synthesis.phantom.shapes import Frame, ellipsoid
from spine_tf.data.synthesis.phantom.spine import REGULAR, draw_spine

SPINE = draw_spine(np.random.default_rng(1), REGULAR, 0.0, 16.0)
FRAME = Frame((60, 60, 230), (3.0, 3.0, 3.0), (-90.0, -110.0, -60.0))


def lesions(seed):
    bones = Bones(FRAME)
    return add_lesions(bones, SPINE, np.random.default_rng(seed)), bones


def test_each_kind_does_what_its_name_says_and_leaves_the_outline():
    seen = {}
    for seed in range(300):
        kind, bones = lesions(seed)
        assert (bones.depth_mm == -9).all()
        seen.setdefault(kind, bones.extra_hu)
        if len(seen) == len(KINDS):
            break
    assert set(seen) == set(KINDS)
    assert not seen["none"].any()
    assert seen["sclerotic"].max() > 200
    assert seen["sclerotic"].min() == 0
    assert seen["lytic"].min() < -80
    assert seen["lytic"].max() == 0
    assert seen["cement"].max() > 500
    assert {-110, 260} <= set(np.unique(seen["haemangioma"]))


def test_most_have_none():
    assert 0.7 < KINDS["none"] < 0.9
    assert abs(sum(KINDS.values()) - 1) < 1e-9


def test_flowing_bone_lies_in_front_and_carries_the_ids_of_its_vertebrae():
    for seed in range(60):
        bones = Bones(FRAME)
        for level in SPINE.levels[11:20]:
            bones.add_shapes([ellipsoid((0, 0, 0), (14, 14, 10))], level.label, level.place)
        before = bones.depth_mm.copy()
        add_flowing_bone(bones, SPINE, 1.0, np.random.default_rng(seed))
        grown = (bones.depth_mm > 0) & (before <= 0)
        if grown.any():
            assert set(np.unique(bones.owner[grown])) <= set(range(12, 25))
            y = np.argwhere(grown)[:, 1].mean() * 3 - 110
            assert y > min(level.place.centre_mm[1] for level in SPINE.levels[11:20])
            return
    raise AssertionError("none of 60 persons has flowing bone")
