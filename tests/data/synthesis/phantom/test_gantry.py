"""The tilted gantry: a shear about the middle slice."""

import numpy as np
import pytest

from spine_tf.data.synthesis.phantom.bones import Bones
from spine_tf.data.synthesis.phantom.gantry import shift_mm, tilted
from spine_tf.data.synthesis.phantom.shapes import Frame, capsule
from spine_tf.data.synthesis.phantom.tissue import Scene, Tissue

FRAME = Frame((12, 60, 41), (1.0, 1.0, 1.0), (-6.0, -30.0, 0.0))


def upright_rod():
    bones = Bones(FRAME)
    bones.add_shapes([capsule((0, 0, -99), (0, 0, 99), 5, 5)], 22)
    return Scene(FRAME, np.full(FRAME.shape, Tissue.FAT, np.uint8), bones, np.zeros(FRAME.shape, bool), {})


def test_an_upright_rod_leans_by_the_angle():
    scene = tilted(upright_rod(), 45.0)
    for k, way in ((0, -20), (20, 0), (40, 20)):
        rows = np.flatnonzero(scene.labels()[6, :, k] == 22)
        assert abs(rows.mean() - (30 + way)) <= 0.5
        assert shift_mm(float(k), FRAME, 45.0) == pytest.approx(way, abs=1e-6)


def test_what_comes_in_is_air_and_the_middle_stays():
    before = upright_rod()
    after = tilted(before, 30.0)
    np.testing.assert_array_equal(after.tissue[:, :, 20], before.tissue[:, :, 20])
    np.testing.assert_allclose(after.bones.depth_mm[:, :, 20], before.bones.depth_mm[:, :, 20], atol=1e-4)
    assert (after.tissue[:, :8, 40] == Tissue.AIR).all()
    assert (after.tissue[:, 20:, 40] == Tissue.FAT).all()
