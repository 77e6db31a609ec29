import numpy as np
import pytest

from spine_tf.config import PreprocessSpec
from spine_tf.inference.limits import MAX_TRIPLETS, check_work, count_triplets
from spine_tf.scans import ScanError, volume_from_array

SHIPPED = PreprocessSpec(image_size=128, pixel_mm=1.5)


def test_triplets_are_tiles_times_positions_in_whole_batches():
    # Tiles of 192 mm, of which the next begins at most 144 mm later: 19 along each axis of 2560 mm, 9 voxels long.
    assert count_triplets((128, 128, 128), (20.0, 20.0, 20.0), SHIPPED, 1) == 19**3 * 9
    assert count_triplets((128, 128, 128), (20.0, 20.0, 20.0), SHIPPED, 8) == 19**3 * 16
    # One image, one position a pixel.
    assert count_triplets((512, 512, 700), (0.8, 0.8, 1.0), PreprocessSpec(image_size=256), 8) == 256


def test_a_whole_body_is_segmented_and_a_scan_of_many_metres_refused():
    assert count_triplets((600, 600, 2000), (1.0, 1.0, 1.0), SHIPPED, 8) < MAX_TRIPLETS
    air = volume_from_array(np.zeros((128, 128, 128), np.int8), np.diag([20.0, 20.0, 20.0, 1.0]), "huge.nii.gz")
    with pytest.raises(
        ScanError, match=r"^huge\.nii\.gz: .* 40000 triplets .* shape \(128, 128, 128\) of 20 x 20 x 20 mm"
    ):
        check_work(air, SHIPPED, 8)


def test_an_axis_has_a_longest_length():
    thread = volume_from_array(np.zeros((8, 8, 10_000), np.int8), np.diag([1.0, 1.0, 0.05, 1.0]))
    with pytest.raises(ScanError, match="at most 8192 voxels along every axis"):
        check_work(thread, SHIPPED, 8)
