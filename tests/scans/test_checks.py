"""What is refused: each limit at its edge, and that every refusal is one line with the file's name."""

import numpy as np
import pytest

from spine_tf.scans.checks import ScanError, check_affine, check_extent, check_memory, check_shape, refuse


def _ct(shape=(20, 20, 20)) -> np.ndarray:
    return np.random.default_rng(0).integers(-900, 1500, shape).astype(np.int16)


def test_a_refusal_is_one_line():
    error = refuse("scan.nii.gz", "it must be whole", "two\nlines")
    assert isinstance(error, ValueError)
    assert str(error) == "scan.nii.gz: it must be whole. Received: two lines"


def test_shape():
    assert check_shape((8, 9, 10), "s") == ((8, 9, 10), ())
    shape, warnings = check_shape((8, 9, 10, 1, 1), "s")
    assert shape == (8, 9, 10)
    assert "5 axes" in warnings[0]
    for bad in [(8, 9), (8, 9, 10, 2), (8, 9, 7), (0, 9, 10), (-1, 9, 10)]:
        with pytest.raises(ScanError, match=r"^s: .*Received: shape"):
            check_shape(bad, "s")


def test_memory_is_counted_in_whole_numbers():
    # 2**30 voxels of int16: 2 bytes stored and 8 to work with.
    check_memory((1024, 1024, 1024), 2, 10.0, "s")
    with pytest.raises(ScanError, match=r"which needs 10\.0 GiB"):
        check_memory((1024, 1024, 1024), 2, 9.99, "s")
    with pytest.raises(ScanError, match="32767"):
        check_memory((32767, 32767, 32767), 2, 8.0, "s")


def test_affine_may_rotate():
    angle = np.radians(44)
    rotated = np.eye(4)
    rotated[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    check_affine(rotated, "s")
    check_affine(np.diag([0.05, 20.0, -1.0, 1.0]), "s")


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({(0, 0): np.nan}, "finite"),
        ({(2, 3): np.inf}, "finite"),
        ({(0, 0): 0.0}, "voxel sizes"),
        ({(0, 0): 0.049}, "voxel sizes"),
        ({(1, 1): 20.1}, "voxel sizes"),
        ({(0, 1): 0.002}, "right angles"),
        ({(1, 2): np.tan(np.radians(15))}, "right angles"),
        ({(0, 1): 1.0, (1, 1): 0.0}, "invertible"),
    ],
)
def test_affine_refusals(entries, reason):
    affine = np.eye(4)
    for place, value in entries.items():
        affine[place] = value
    with pytest.raises(ScanError, match=rf"^s: .*{reason}"):
        check_affine(affine, "s")


def test_extent_is_that_of_a_body_on_its_table():
    check_extent((100, 100, 125), np.diag([10.0, 10.0, 20.0, 1.0]), "s")  # 1 x 1 x 2.5 m
    for shape, received in [
        ((128, 8, 8), "2560 x 160 x 160 mm"),  # too long
        ((100, 100, 100), "2000 x 2000 x 2000 mm"),  # 8 cubic metres
    ]:
        with pytest.raises(ScanError, match=rf"at most 2500 mm along an axis.*Received: {received}"):
            check_extent(shape, np.diag([20.0, 20.0, 20.0, 1.0]), "s")


def test_no_corner_lies_farther_than_a_table_travels():
    affine = np.diag([-1.0, 1.0, 1.0, 1.0])
    affine[0, 3] = -4990.0  # its other corner is 10 voxels farther
    check_extent((11, 9, 9), affine, "s")
    with pytest.raises(ScanError, match=r"within 5000 mm of the origin. Received: a corner at 5001 mm"):
        check_extent((12, 9, 9), affine, "s")
