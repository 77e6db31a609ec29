"""Arches: what must be open is open, joints of neighbours meet, processes point where they should."""

import numpy as np
import pytest

from spine_tf.data.synthesis.phantom.bones import Bones
from spine_tf.data.synthesis.phantom.shapes import Frame, evaluate
from spine_tf.data.synthesis.phantom.spine import REGULAR, draw_spine
from spine_tf.data.synthesis.phantom.vertebral_arch import arch_shapes, ring_shapes

SPINE = draw_spine(np.random.default_rng(1), REGULAR, 0.0, 16.0)


def solid(shapes, level, half=55):
    frame = Frame((2 * half,) * 3, (1.0,) * 3, tuple(level.place.centre_mm - half))
    bones = Bones(frame)
    bones.add_shapes(shapes, level.label, level.place)
    return bones.depth_mm > 0, frame


def inside(level, frame, u, v, w):
    return tuple(np.round(level.place.to_world((u, v, w)) - frame.origin_mm).astype(int))


@pytest.mark.parametrize("label", [4, 13, 19, 22])
def test_the_canal_is_open_and_closed_behind(label):
    level = SPINE.level(label)
    arch = arch_shapes(level, 0.0, np.random.default_rng(0))
    bone, frame = solid(arch.parts + arch.joints, level)
    front = -level.size["depth"] / 2
    for up in (-3, 0, 3):
        assert not bone[inside(level, frame, 0, front - level.size["canal_depth"] * 0.45, up)]
    behind = [bone[inside(level, frame, 0, front - level.size["canal_depth"] - back, -5)] for back in range(0, 12)]
    assert any(behind)


@pytest.mark.parametrize("label", [13, 22])
def test_joints_of_neighbours_come_close(label):
    above, below = SPINE.level(label), SPINE.level(label + 1)
    frame = Frame(
        (100, 110, 110), (1.0,) * 3, tuple((above.place.centre_mm + below.place.centre_mm) / 2 - [50, 75, 55])
    )
    depths = []
    for level in (above, below):
        bones = Bones(frame)
        bones.add_shapes(arch_shapes(level, 0.0, np.random.default_rng(0)).joints, level.label, level.place)
        depths.append(bones.depth_mm)
    # Somewhere on each side both surfaces are less than 2 mm away.
    near = (depths[0] > -2) & (depths[1] > -2)
    assert near[:45].any()
    assert near[55:].any()


def test_thoracic_spinous_processes_point_down():
    level = SPINE.level(14)
    lows = [shape.low[2] for shape in arch_shapes(level, 0.0, np.random.default_rng(0)).parts]
    assert min(lows) < -level.size["height"]


def test_the_first_vertebra_is_a_ring_without_a_body():
    level = SPINE.level(1)
    bone, frame = solid(ring_shapes(level), level)
    assert not bone[inside(level, frame, 0, -8, 0)]
    grown = level.size["width"] / 19
    assert bone[inside(level, frame, 0, 10 * grown, 0)]
    assert bone[inside(level, frame, 0, -36 * grown, 0)]


def test_worn_joints_are_thicker():
    level = SPINE.level(22)
    volumes = []
    for facet_mm in (0.0, 3.0):
        joints = arch_shapes(level, facet_mm, np.random.default_rng(0)).joints
        volumes.append(solid(joints, level)[0].sum())
    assert volumes[1] > 1.2 * volumes[0]
    _, depth = evaluate(joints[0], Frame((4, 4, 4), (1.0,) * 3, (900.0, 0.0, 0.0)), level.place)
    assert depth.size == 0
