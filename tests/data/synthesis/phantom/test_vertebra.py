"""Shape of single vertebrae."""

import numpy as np
import pytest

from spine_tf.data.synthesis.phantom.bones import Bones
from spine_tf.data.synthesis.phantom.shapes import Frame
from spine_tf.data.synthesis.phantom.smoothing import smooth_noise
from spine_tf.data.synthesis.phantom.spine import REGULAR, draw_spine
from spine_tf.data.synthesis.phantom.vertebra import Wear, add_vertebra, draw_wear

SPINE = draw_spine(np.random.default_rng(1), REGULAR, 0.0, 16.0)


SOUND = Wear()


def vertebra(label, wear=SOUND):
    level = SPINE.level(label)
    frame = Frame((120, 130, 90), (1.0, 1.0, 1.0), tuple(level.place.centre_mm - [60, 90, 45]))
    bones = Bones(frame)
    rng = np.random.default_rng(0)
    add_vertebra(bones, level, wear, smooth_noise(rng, frame, 5.0), rng)
    return bones, level


@pytest.mark.parametrize(("label", "low_ml", "high_ml"), [(4, 6, 16), (14, 15, 32), (22, 35, 75)])
def test_volume_is_that_of_real_vertebrae(label, low_ml, high_ml):
    bones, _ = vertebra(label)
    assert low_ml < (bones.depth_mm > 0).sum() / 1000 < high_ml
    assert set(np.unique(bones.owner)) == {0, label}


def test_there_is_a_canal_between_body_and_arch():
    bones, level = vertebra(22)
    solid = bones.depth_mm > 0

    def at(v):
        return tuple(np.round(level.place.to_world((0, v, 0)) - bones.frame.origin_mm).astype(int))

    front = -level.size["depth"] / 2
    assert solid[at(0)]
    assert not bones.arch[at(0)]
    assert not solid[at(front - level.size["canal_depth"] / 2)]
    behind = at(front - level.size["canal_depth"] - 12)
    column = solid[behind[0], behind[1]]
    assert column.any()
    assert bones.arch[behind[0], behind[1]][column].all()


def test_a_wedge_fracture_takes_height_in_front():
    heights = {}
    for kind, loss in (("none", 0.0), ("wedge", 0.5)):
        bones, level = vertebra(21, Wear(kind, loss))
        x, y, _ = np.round(level.place.to_world((0, level.size["depth"] * 0.3, 0)) - bones.frame.origin_mm).astype(int)
        heights[kind] = (bones.depth_mm[x, y] > 0).sum()
    assert heights["wedge"] < 0.85 * heights["none"]


def test_osteophytes_widen_the_rim():
    plain, worn = ((vertebra(22, Wear(osteophyte_mm=size))[0].depth_mm > 0).sum() for size in (0.0, 6.0))
    assert worn > 1.01 * plain


def test_a_node_dents_one_endplate_and_sclerosis_leaves_the_outline():
    sound, level = vertebra(22)
    dented, _ = vertebra(22, Wear(nodes=((0.0, 0.0, 5.0, 1.0),)))
    hard, _ = vertebra(22, Wear(sclerosis_hu=300.0))
    lost = (sound.depth_mm > 0) & (dented.depth_mm <= 0)
    assert 50 < lost.sum() < 3000
    z = np.argwhere(lost)[:, 2].mean() + sound.frame.origin_mm[2]
    assert z > level.place.centre_mm[2] + 5
    assert not ((sound.depth_mm <= 0) & (dented.depth_mm > 0.01)).any()
    np.testing.assert_array_equal(hard.depth_mm, sound.depth_mm)
    more = hard.extra_hu - sound.extra_hu
    assert more.max() == 300
    middle = tuple(np.round(level.place.centre_mm - hard.frame.origin_mm).astype(int))
    assert more[middle] == 0


def test_wear_grows_with_degeneration_and_cervical_vertebrae_do_not_break():
    rng = np.random.default_rng(0)
    young, old = ([draw_wear(rng, d, 0.0, 20.0).osteophyte_mm for _ in range(200)] for d in (0.1, 1.0))
    assert np.mean(old) > 3 * np.mean(young)
    assert all(draw_wear(rng, 1.0, 1.0, 4.0).fracture == "none" for _ in range(20))
    assert draw_wear(rng, 1.0, 1.0, 20.0).loss >= 0.2
