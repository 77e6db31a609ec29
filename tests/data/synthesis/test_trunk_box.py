import numpy as np

from spine_tf.data.synthesis.trunk_box import MAX_VOXELS, draw_trunk_box


def test_boxes_hold_their_vertebrae_in_few_enough_voxels(body_arrays):
    kinds, arounds = set(), set()
    for seed in range(60):
        move, frame, told = draw_trunk_box(np.random.default_rng(seed), body_arrays)
        assert np.prod(frame.shape) <= 1.1 * MAX_VOXELS
        assert min(frame.shape) >= 12
        assert 0.4 <= min(frame.spacing_mm) <= max(frame.spacing_mm) <= 5.1
        kinds.add(told["slices"])
        arounds.add(told["around"])
        # The middle of the two vertebrae, 0 of the new body, is scanned.
        low = np.array(frame.origin_mm)
        assert np.all(low < 0)
        assert np.all(low + np.multiply(frame.shape, frame.spacing_mm) > 0)
        assert (told["first"], told["last"]) == (20, 21)
        assert move.middle_mm[2] > 0
    assert kinds == {"isotropic", "axial", "sagittal"}
    assert arounds == {"narrow", "spine", "trunk"}


def test_nothing_beyond_the_ends_of_the_map_is_scanned(body_arrays):
    for seed in range(60):
        move, frame, _ = draw_trunk_box(np.random.default_rng(seed), body_arrays)
        ends = np.array([frame.origin_mm[2], frame.origin_mm[2] + (frame.shape[2] - 1) * frame.spacing_mm[2]])
        heights = move.middle_mm[2] + ends * move.matrix[2, 2]
        assert heights.min() > -3
        assert heights.max() < body_arrays["structure"].shape[2] + 3
