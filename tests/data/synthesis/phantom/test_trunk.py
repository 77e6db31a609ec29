"""The trunk: air outside, skin around fat around muscle, lungs beside the spine."""

import numpy as np

from spine_tf.data.synthesis.phantom.shapes import Frame
from spine_tf.data.synthesis.phantom.spine import REGULAR, draw_spine
from spine_tf.data.synthesis.phantom.tissue import Tissue
from spine_tf.data.synthesis.phantom.trunk import draw_trunk, paint_trunk

RNG = np.random.default_rng(0)
SPINE = draw_spine(RNG, REGULAR, 0.0, 16.0)
TRUNK = draw_trunk(RNG, SPINE)


def paint(label):
    x, y, z = SPINE.level(label).place.centre_mm
    frame = Frame((150, 110, 6), (3.0, 3.0, 3.0), (x - 225, y - 120, z - 9))
    diaphragm_z = SPINE.level(17).place.centre_mm[2]
    return (*paint_trunk(np.random.default_rng(0), frame, TRUNK, diaphragm_z), frame)


def test_from_outside_in_there_is_air_skin_fat_muscle():
    tissue, cavity, frame = paint(22)
    row = tissue[:, round((TRUNK.skin_centre[3, 1] - frame.origin_mm[1]) / 3), 3]
    first = [int(np.flatnonzero(row == kind)[0]) for kind in (Tissue.AIR, Tissue.SKIN, Tissue.FAT, Tissue.MUSCLE)]
    assert first == sorted(first)
    assert cavity.any()
    assert not cavity[tissue == Tissue.AIR].any()


def test_lungs_lie_on_both_sides_of_the_thoracic_spine_and_not_in_the_belly():
    tissue, _, _ = paint(13)
    lung = tissue == Tissue.LUNG
    right, left = lung[80:].sum(), lung[:70].sum()
    assert min(right, left) > 3000
    assert not lung[75, 40].any()
    assert not (paint(22)[0] == Tissue.LUNG).any()


def test_profiles_are_interpolated_over_height():
    (half_x, half_y) = TRUNK.at(TRUNK.skin, np.array([[TRUNK.z[4]]]))
    assert half_x.shape == (1, 1)
    np.testing.assert_allclose([half_x[0, 0], half_y[0, 0]], TRUNK.skin[4], rtol=1e-5)
