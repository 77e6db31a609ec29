"""Stored numbers to HU and labels: what is rounded, clipped, filled with air, corrected and refused."""

import numpy as np
import pytest

from spine_tf.scans import ScanError
from spine_tf.scans.intensity import to_hu, to_labels


def _ct(shape=(20, 20, 20)) -> np.ndarray:
    return np.random.default_rng(0).integers(-900, 1500, shape).astype(np.int16)


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


def test_what_is_no_number_outside_a_round_field_of_view_is_air():
    raw = _ct((40, 40, 8)).astype(np.float32)
    i, j = np.mgrid[:40, :40]
    outside = (i - 19.5) ** 2 + (j - 19.5) ** 2 > 20**2
    raw[outside] = np.nan
    assert 0.2 < outside.mean() < 0.25
    hu, warnings = to_hu(raw, 1.0, 0.0, "s")
    assert (hu[outside] == -1024).all()
    np.testing.assert_array_equal(hu[~outside], raw[~outside])
    assert f"{8 * outside.sum()} voxels are NaN or infinite; read as -1024 HU" in warnings


def test_nonfinite_slices_at_the_end_are_air_and_one_between_is_not():
    raw = _ct().astype(np.float32)
    raw[:2] = np.inf
    assert (to_hu(raw, 1.0, 0.0, "s")[0][:2] == -1024).all()
    raw[10] = np.nan  # 1 of 20 slices
    with pytest.raises(ScanError, match=r"at most 0\.1% .* inside the field of view\. Received: 5\.0%"):
        to_hu(raw, 1.0, 0.0, "s")


def test_single_nonfinite_voxels_inside_are_air_up_to_a_thousandth():
    raw = _ct().astype(np.float32)
    raw[10, 10, 2:10] = np.nan  # 8 of 8000
    assert (to_hu(raw, 1.0, 0.0, "s")[0][10, 10, 2:10] == -1024).all()
    raw[10, 10, 10] = np.nan
    with pytest.raises(ScanError, match="inside the field of view"):
        to_hu(raw, 1.0, 0.0, "s")


def test_a_scan_that_is_mostly_or_only_nonfinite_is_refused():
    raw = _ct().astype(np.float32)
    raw[5:] = np.nan
    to_hu(raw, 1.0, 0.0, "s")
    raw[4, 0, 0] = np.nan
    with pytest.raises(ScanError, match="at most 75% of the voxels"):
        to_hu(raw, 1.0, 0.0, "s")
    with pytest.raises(ScanError, match="voxels must be numbers"):
        to_hu(np.full((8, 8, 8), np.nan), 1.0, 0.0, "s")


@pytest.mark.parametrize("dtype", ["u2", "i2", "f4"])
def test_a_forgotten_offset_is_taken_off_and_said(dtype):
    rng = np.random.default_rng(0)
    hu = np.rint(rng.normal(rng.choice([-1000, -100, 50, 400], (20, 20, 20)), 20)).astype(np.int16)
    hu = np.maximum(hu, -1024)
    made, warnings = to_hu((hu + 1024).astype(dtype), 1.0, 0.0, "s")
    np.testing.assert_array_equal(made, hu)
    assert "1024 was taken off every value" in warnings[0]
    kept, warnings = to_hu((hu + 1024).astype(dtype), 1.0, 0.0, "s", assume_hu=True)
    np.testing.assert_array_equal(kept, hu + 1024)
    assert not any("taken off" in warning for warning in warnings)


def test_nonfinite_voxels_do_not_hide_an_offset():
    rng = np.random.default_rng(0)
    hu = np.rint(rng.normal(rng.choice([-1000, -100, 50, 400], (20, 20, 20)), 15)).astype(np.float32)
    shifted = hu + 1024
    shifted[:6] = np.nan
    made, _ = to_hu(shifted, 1.0, 0.0, "s")
    np.testing.assert_array_equal(made[6:], np.maximum(hu[6:], -1024))
    assert (made[:6] == -1024).all()


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
