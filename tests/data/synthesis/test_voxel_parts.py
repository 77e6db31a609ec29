import numpy as np

from spine_tf.data.synthesis.phantom.shapes import Frame
from spine_tf.data.synthesis.voxel_parts import MOST_VOXELS, choose_parts, finer_frame, majority_of_parts, mean_of_parts


def test_thick_slices_are_cut_and_thin_ones_are_not():
    assert choose_parts(Frame((50, 50, 20), (1.0, 1.0, 5.0), (0.0, 0.0, 0.0))) == (1, 1, 3)
    assert choose_parts(Frame((20, 50, 50), (3.0, 1.0, 1.0), (0.0, 0.0, 0.0))) == (2, 1, 1)
    assert choose_parts(Frame((50, 50, 50), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))) == (1, 1, 1)


def test_no_more_parts_than_there_is_room_for():
    large = Frame((200, 200, 100), (3.0, 3.0, 5.0), (0.0, 0.0, 0.0))
    parts = choose_parts(large)
    assert parts == (1, 1, 1) or np.prod(large.shape) * np.prod(parts) <= MOST_VOXELS


def test_parts_fill_their_voxel():
    fine = finer_frame(Frame((2, 1, 2), (1.0, 1.0, 6.0), (0.0, 0.0, 10.0)), (1, 1, 3))
    assert (fine.shape, fine.spacing_mm) == ((2, 1, 6), (1.0, 1.0, 2.0))
    # A voxel from 7 to 13 mm: its parts have their middles at 8, 10 and 12.
    np.testing.assert_allclose(fine.axis_mm(2).ravel(), [8, 10, 12, 14, 16, 18])


def test_hu_are_averaged_and_labels_vote():
    hu = np.float32([0, 30, 60, 100, 100, 100]).reshape(1, 1, 6)
    np.testing.assert_allclose(mean_of_parts(hu, (1, 1, 3)).ravel(), [30, 100])
    labels = np.uint8([20, 0, 0, 20, 20, 0, 19, 20, 0]).reshape(1, 1, 9)
    assert majority_of_parts(labels, (1, 1, 3)).ravel().tolist() == [0, 20, 20]
    assert majority_of_parts(labels, (1, 1, 1)) is labels
