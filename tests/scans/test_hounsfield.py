"""Which values are HU: offsets found, other scales refused, real scans left alone."""

import nibabel as nib
import numpy as np
import pytest

from spine_tf.scans import ScanError
from spine_tf.scans.hounsfield import OFFSETS_HU, check_hu, find_offset
from spine_tf.scans.intensity import to_hu


def _ct(shape=(20, 20, 20)) -> np.ndarray:
    return np.random.default_rng(0).integers(-900, 1500, shape).astype(np.int16)


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
    metal = _ct()
    metal[0, :5] = 5000  # 100 of 8000
    assert "above 4000 HU" in check_hu(metal, "s")[0]
    padded = np.where(_ct() < 0, -1000, _ct())
    assert any("hardly any tissue lies below -50 HU" in warning for warning in check_hu(padded, "s"))


def test_one_voxel_below_zero_is_no_proof_of_hu():
    shifted = _ct() + 2500  # 1600 to 4000
    shifted[0, 0, 0] = -1000
    with pytest.raises(ScanError, match=r"2% of them below -50 .* unless assume_hu=True\. Received: 0\.01%"):
        check_hu(shifted, "s")


@pytest.mark.parametrize("other", ["times two", "tenths", "of 16 bits", "wrapped", "magnetic"])
def test_other_scales_are_refused(other):
    hu = tissues()
    values = {
        "times two": hu * 2.0,
        "tenths": hu * 10.0,
        "of 16 bits": (hu + 1100) * 30.0,
        "wrapped": np.where(hu < 0, hu + 65536, hu),
        "magnetic": np.random.default_rng(0).gamma(2, 200, 20000),
    }[other]
    with pytest.raises(ScanError, match="values must be HU"):
        check_hu(values - find_offset(values), "s")


def tissues(deviation=20) -> np.ndarray:
    """Air, fat, muscle and bone, as many of each."""
    return np.rint(np.random.default_rng(0).normal([-1000, -100, 50, 400], deviation, (5000, 4)))


@pytest.mark.parametrize("offset", [-400, 500, 700])
def test_an_unusual_offset_is_refused(offset):
    assert find_offset(tissues() + offset) == 0
    with pytest.raises(ScanError, match=rf"HU with about {offset} added"):
        check_hu(tissues() + offset, "s")


@pytest.mark.parametrize("offset", [0, *OFFSETS_HU])
@pytest.mark.parametrize("deviation", [5, 20, 60])
def test_the_offset_is_found_in_a_histogram_of_tissues(offset, deviation):
    hu = tissues(deviation)
    assert find_offset(hu + offset) == offset
    hu[0, 0] = -offset - 1  # one voxel below zero
    assert find_offset(hu + offset) == offset


def test_padding_does_not_hide_an_offset():
    hu = tissues()
    hu[:3000] = -2000
    assert [find_offset(hu + offset) for offset in (0, 1024)] == [0, 1024]


def test_what_has_no_peaks_of_tissue_has_no_offset():
    assert find_offset(np.arange(5000)) == 0
    assert find_offset(np.random.default_rng(0).gamma(2, 200, 20000)) == 0


def _real_scans(folder):
    return [*sorted(folder.glob("unlabelled-ct/*/*_ct.nii.gz")), folder / "verse014" / "sub-verse014_ct.nii.gz"]


@pytest.mark.slow
def test_real_scans_are_left_alone_and_their_shifted_copies_come_back_exact(shared_data):
    paths = _real_scans(shared_data)
    assert len(paths) == 9
    for path in paths:
        stored = np.asarray(nib.load(path).dataobj)
        hu, _ = to_hu(stored.copy(), 1.0, 0.0, path.name)
        np.testing.assert_array_equal(hu, np.maximum(stored, -1024))
        for offset in (1000, 1024):
            np.testing.assert_array_equal(to_hu(stored + np.int16(offset), 1.0, 0.0, path.name)[0], hu)


def test_a_real_scan_is_left_alone_and_its_shifted_copies_come_back_exact(shared_data):
    stored = np.asarray(nib.load(_real_scans(shared_data)[-1]).dataobj)
    for offset in (0, 1000, 1024):
        made, warnings = to_hu(stored + np.int16(offset), 1.0, 0.0, "s")
        np.testing.assert_array_equal(made, np.maximum(stored, -1024))
        assert any("taken off" in warning for warning in warnings) == bool(offset)
