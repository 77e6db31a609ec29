"""Blocks as "real" vertebrae in a phantom: they must stand where the phantom's own stood."""

import json

import numpy as np
import pytest

from spine_tf.data.synthesis.phantom.bones import Bones
from spine_tf.data.synthesis.phantom.shapes import Frame, Placement
from spine_tf.data.synthesis.phantom.spine import Level
from spine_tf.data.synthesis.preparing import prepare_vertebrae
from spine_tf.data.synthesis.transplanting import add_real_vertebra, transplant


@pytest.fixture(scope="module")
def blocks():
    """L1 to L4, bodies of 40 x 32 x 26 mm with an arch; to the right of each a rod, so that right and left differ."""
    labels = np.zeros((100, 100, 150), np.uint8)
    for number, label in enumerate((20, 21, 22, 23)):
        low = 112 - 34 * number
        labels[30:70, 50:82, low : low + 26] = label
        labels[32:38, 30:50, low + 8 : low + 18] = labels[62:68, 30:50, low + 8 : low + 18] = label
        labels[32:68, 20:30, low + 8 : low + 18] = label
        labels[70:85, 62:70, low + 9 : low + 17] = label
    return prepare_vertebrae(labels, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))


def one_vertebra(blocks, mirrored=False, pressed=0.0, width=40.0):
    bones = Bones(Frame((110, 110, 60), (1.0, 1.0, 1.0), (-55.0, -65.0, -30.0)))
    level = Level(21, 20.0, {"width": width, "depth": 32.0, "height": 26.0}, Placement(np.zeros(3), np.eye(3)))
    add_real_vertebra(bones, level, blocks, 0.0, mirrored, pressed)
    return bones


def test_it_stands_upright_around_its_place(blocks):
    bones = one_vertebra(blocks)
    inside = bones.depth_mm > 0
    assert (inside & (bones.owner == 21)).sum() == inside.sum()
    assert inside.sum() == pytest.approx(40 * 32 * 26 + 2 * 6 * 20 * 10 + 36 * 10 * 10 + 15 * 8 * 8, rel=0.08)
    at = np.argwhere(inside & ~bones.arch).mean(0) - [55, 65, 30]
    np.testing.assert_allclose(at, 0, atol=2.5)
    assert bones.arch[55, 24, 30]
    assert not bones.arch[55, 70, 30]


def test_mirrored_and_wider(blocks):
    def rod(bones):
        beside = np.abs(bones.frame.axis_mm(0)) > 27
        return np.argwhere((bones.depth_mm > 0) & beside)[:, 0].mean() - 55

    assert rod(one_vertebra(blocks)) > 20
    assert rod(one_vertebra(blocks, mirrored=True)) < -20
    wide = [(one.depth_mm[:, 65, 30] > 0).sum() for one in (one_vertebra(blocks), one_vertebra(blocks, width=46.0))]
    assert wide[1] / wide[0] == pytest.approx(46 / 40, rel=0.06)


def test_pressed_in_front(blocks):
    whole, low = one_vertebra(blocks), one_vertebra(blocks, pressed=0.4)

    def height(bones, y_mm):
        return (bones.depth_mm[55, 65 + y_mm] > 0).sum()

    assert height(low, 12) < 0.8 * height(whole, 12)
    assert height(low, -13) > 0.9 * height(whole, -13)


def test_a_phantom_takes_them_over(blocks):
    made = transplant(blocks, 0.4, np.random.default_rng(1))
    assert set(made.description["real"]) == {20, 21, 22, 23}
    assert set(np.unique(made.labels)) <= {*range(27), 28}
    assert (made.labels > 0)[(made.scene.bones.depth_mm > 0) & (made.scene.bones.owner <= 28)].all()
    json.dumps(made.description)
    inner = [
        label for label, place in made.places.items()
        if np.all((place - made.frame.origin_mm) / made.frame.spacing_mm > 2)
        and np.all((place - made.frame.origin_mm) / made.frame.spacing_mm < np.array(made.frame.shape) - 3)
    ]  # fmt: skip
    assert inner
    for label in inner:
        fine = made.scene.frame
        voxel = np.rint((made.places[label] - fine.origin_mm) / fine.spacing_mm).astype(int)
        assert made.labels[tuple(voxel)] == label
