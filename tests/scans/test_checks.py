"""What is refused: each limit at its edge, and that every refusal is one line with the file's name."""

import numpy as np
import pytest

from spine_tf.scans.checks import ScanError, check_affine, check_hu, check_memory, check_shape, refuse
from spine_tf.scans.intensity import to_hu, to_labels


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


def test_values_that_cannot_be_hu():
    assert check_hu(_ct(), "s") == ()
    # -100 to 200 in steps of 1: the middle 98 % span 294.
    with pytest.raises(ScanError, match=r"spanning 300 .* unless assume_hu=True\. Received: -98 to 197"):
        check_hu(np.resize(np.arange(-100, 201), (20, 20, 20)), "s")
    assert check_hu(np.resize(np.arange(-110, 211), (20, 20, 20)), "s") == ()
    picture = np.resize(np.arange(256), (20, 20, 20))
    picture[0, 0, :8] = 4095  # 8 of 8000 voxels
    with pytest.raises(ScanError, match=r"not an 8-bit picture, unless assume_hu=True\. Received: 99\.9%"):
        check_hu(picture, "s")


def test_values_that_are_unlikely_in_hu_are_said():
    assert "below 0 HU" in check_hu(_ct() + 1024, "s")[0]
    assert "above 4000 HU" in check_hu(_ct() * 5, "s")[0]


def test_int16_hu_are_clamped_in_place():
    raw = _ct()
    raw[0, 0, :3] = (-3024, -2000, -1025)
    hu, warnings = to_hu(raw, 1.0, 0.0, "s")
    assert hu is raw
    assert hu.min() == -1024
    assert warnings == ("3 voxels lie below -1024 HU (lowest -3024, scanner padding); set to -1024",)


def test_scaled_and_wide_values_are_rounded_and_clipped():
    raw = _ct().astype(np.float64)
    raw[0, 0, :5] = (10.4, 10.6, -1100.0, 40000.0, np.nan)
    hu, warnings = to_hu(raw, 1.0, 0.0, "s")
    assert hu.dtype == np.int16
    assert hu[0, 0, :5].tolist() == [10, 11, -1024, 32767, -1024]
    assert [w.split()[0] for w in warnings] == ["stored", "1", "1", "1"]
    hu, _ = to_hu((_ct() + 1024).astype(">u2"), 1.0, -1024.0, "s")
    np.testing.assert_array_equal(hu, _ct())


def test_nonfinite_voxels_up_to_a_twentieth():
    raw = _ct().astype(np.float32)
    raw[0] = np.inf  # 1 of 20 planes
    hu, warnings = to_hu(raw, 1.0, 0.0, "s")
    assert (hu[0] == -1024).all()
    assert any("400 voxels are NaN or infinite" in w for w in warnings)
    raw[1, 0, 0] = np.nan
    with pytest.raises(ScanError, match="at most 5%"):
        to_hu(raw, 1.0, 0.0, "s")


def test_assume_hu_overrides_the_look_of_the_values():
    picture = np.resize(np.arange(201, dtype=np.int16), (20, 20, 20))
    with pytest.raises(ScanError):
        to_hu(picture.copy(), 1.0, 0.0, "s")
    hu, warnings = to_hu(picture.copy(), 1.0, 0.0, "s", assume_hu=True)
    np.testing.assert_array_equal(hu, picture)
    assert warnings == ()


def test_labels_must_be_whole():
    labels = np.resize(np.arange(29), (8, 8, 8))
    for dtype in (np.uint8, ">i2", np.float64):
        made = to_labels(labels.astype(dtype), 1.0, 0.0, "s")
        assert made.dtype == np.int16
        np.testing.assert_array_equal(made, labels)
    np.testing.assert_array_equal(to_labels((labels * 2).astype(np.uint8), 0.5, 0.0, "s"), labels)
    for wrong in (0.5, -1.0, np.nan, 40000.0):
        spoilt = labels.astype(np.float32)
        spoilt[3, 3, 3] = wrong
        with pytest.raises(ScanError, match=rf"whole numbers in 0\.\.32767\. Received: {wrong:g}"):
            to_labels(spoilt, 1.0, 0.0, "s")
