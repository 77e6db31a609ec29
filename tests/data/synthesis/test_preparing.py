"""A body made by hand, 88 x 88 x 84 mm: two vertebrae with arches, a lung, an aorta, fat, a table."""

import numpy as np
import pytest

from spine_tf.data.synthesis.preparing import GRID_MM, body_mask
from spine_tf.data.synthesis.structures import Filled


def at(body_arrays, x_mm, y_mm, z_mm, name="structure"):
    return body_arrays[name][
        tuple(np.round((np.array([x_mm, y_mm, z_mm]) - body_arrays["first_mm"]) / GRID_MM).astype(int))
    ]


def test_the_body_has_its_lung_but_not_the_table(made_body):
    hu, classes, spacing_mm, _ = made_body
    body = body_mask(hu, spacing_mm)
    assert body[classes == 11].all()
    assert not body[:, :3].any()


@pytest.mark.parametrize(
    ("place", "code"),
    [
        ((0, 6, 20), 79),  # the edge of the canal is sac
        ((0, 0, 76), Filled.CORD),
        ((0, 0, 20), 79),  # below L1 there is no cord
        ((0, 24, 38), Filled.DISC),
        ((-30, 10, 40), 11),
        ((20, 10, 50), 52),
        ((25, 10, 50), Filled.ARTERY_WALL),
        ((0, 41, 40), Filled.SKIN),
        ((30, 30, 40), Filled.FAT),
        ((0, -54, 40), Filled.AIR),
        ((0, -49, 40), Filled.TABLE),
    ],
)
def test_what_is_not_labelled_is_told_from_the_hu(body_arrays, place, code):
    assert at(body_arrays, *place) == code


def test_bone_voxels_hold_what_lies_around_them(body_arrays):
    assert not np.isin(body_arrays["structure"], (30, 31)).any()
    assert at(body_arrays, 0, 20, 20, "owner") == 21
    assert at(body_arrays, 0, 20, 60, "owner") == 20


def test_arches_are_marked_and_bodies_measured(body_arrays):
    # 32 more is arch: the lamina behind the canal.
    assert at(body_arrays, 0, -14, 20, "owner") == 21 + 32
    assert list(body_arrays["vertebra_labels"]) == [20, 21]
    np.testing.assert_allclose(body_arrays["vertebra_centres"], [(0, 20, 60), (0, 20, 20)], atol=2.5)
    np.testing.assert_allclose(body_arrays["vertebra_rotations"], [np.eye(3)] * 2, atol=0.1)
    np.testing.assert_allclose(body_arrays["vertebra_sizes"][:, :3], [(32, 24, 28)] * 2, atol=2)


def test_a_whole_vertebra_is_cut_out_in_its_own_frame(body_arrays):
    shape = body_arrays["shape_20"]
    u, v, w = 62, 88, 64  # the middle of the body
    assert shape.dtype == np.int8
    assert shape[u, v, w] > 80
    assert shape[u + 14, v, w] > 0 > shape[u + 18, v, w]
    # The canal is a hole, the lamina behind it is not.
    assert shape[u, v - 20, w] < 0 < shape[u, v - 34, w]
