import itertools

import numpy as np
import pytest

from spine_tf.views.tiles import OVERLAP, box_around, tile_axes, tile_count, tile_of


def window_boxes(shape, spacing_mm, span_mm):
    axes = tile_axes(shape, spacing_mm, span_mm)
    return [tile_of(axes, number) for number in range(tile_count(axes))]


def test_without_a_span_the_volume_is_one_window():
    ((box, weights),) = window_boxes((5, 4, 3), (1.0, 2.0, 3.0), None)
    assert box == (slice(0, 5), slice(0, 4), slice(0, 3))
    assert [w.tolist() for w in weights] == [[1] * 5, [1] * 4, [1] * 3]


def test_tiles_are_as_long_as_the_span_and_reach_both_ends():
    # 10 mm of 2 mm voxels: tiles of 5; 12 voxels with an overlap of a quarter need 3: ceil((12 - 1.25) / 3.75).
    boxes = [box for box, _ in window_boxes((12, 5, 1), (2.0, 2.0, 2.0), 10.0)]
    assert [(box[0].start, box[0].stop) for box in boxes] == [(0, 5), (4, 9), (7, 12)]
    assert {(box[1].start, box[1].stop, box[2].start, box[2].stop) for box in boxes} == {(0, 5, 0, 1)}


@pytest.mark.parametrize("shape", [(12, 5, 1), (64, 33, 20), (7, 100, 9)])
def test_weights_sum_to_one_in_every_voxel(shape):
    total = np.zeros(shape)
    for box, (x, y, z) in window_boxes(shape, (1.0, 1.5, 2.0), 24.0):
        total[box] += x[:, None, None] * y[:, None] * z
        assert min(x.min(), y.min(), z.min()) > 0
    np.testing.assert_allclose(total, 1, atol=1e-6)


def test_neighbouring_tiles_overlap():
    boxes = [box[0] for box, _ in window_boxes((1000, 1, 1), (1.0, 1.0, 1.0), 100.0)]
    shared = [one.stop - two.start for one, two in itertools.pairwise(boxes)]
    assert min(shared) >= OVERLAP * 100 - 1


def test_the_box_around_a_find_has_its_margin_and_ends_at_the_border():
    mask = np.zeros((40, 40, 40), bool)
    mask[10:20, 2:12, 20:30] = True
    # 5 mm are 5 voxels along x and, rounded up, 3 along y.
    assert box_around(mask, (1.0, 2.0, 1.0), (5.0, 5.0, 100.0)) == (slice(5, 25), slice(0, 15), slice(0, 40))


def test_where_nothing_is_found_the_box_is_everything():
    assert box_around(np.zeros((4, 5, 6), bool), (1.0, 1.0, 1.0), (5.0, 5.0, 5.0)) == np.s_[0:4, 0:5, 0:6]
