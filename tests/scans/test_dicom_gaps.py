"""Distances of slices whose even grid can be told by eye."""

import numpy as np
import pytest

from spine_tf.scans import ScanError
from spine_tf.scans.dicom_gaps import find_planes


def ends(*gaps: float) -> np.ndarray:
    return np.concatenate([[0.0], np.cumsum(gaps)])


@pytest.mark.parametrize(
    ("distance", "unit", "count"),
    [(0.625, 0.1, 113), (0.6, 0.1, 51), (1.25, 0.1, 41), (4.5, 1.0, 21), (0.4883, 0.01, 300)],
)
def test_rounding_is_not_unevenness(distance, unit, count):
    rounded = np.round(distance * np.arange(count) / unit) * unit
    planes = find_planes(rounded, unit, "scan")
    assert (planes.even, planes.warnings) == (True, ())
    assert planes.slice_distance_mm == pytest.approx(distance, abs=unit / (count - 1))


def test_a_missing_slice_leaves_the_step_of_a_rounded_series_alone():
    rounded = np.round(np.delete(0.625 * np.arange(113), 40), 1)
    planes = find_planes(rounded, 0.1, "scan")
    assert planes.slice_distance_mm == pytest.approx(0.625)
    assert not planes.even
    # Slices that are there are kept, not interpolated by a tenth.
    np.testing.assert_allclose(planes.distances_mm, np.delete(0.625 * np.arange(113), 40))
    assert "slice distances vary" in planes.warnings[0]


def test_uneven_distances_take_the_median():
    planes = find_planes(ends(2, 2, 2, 2.3, 2.7, 2), 0.0, "scan")
    assert (planes.slice_distance_mm, planes.even) == (2.0, False)


@pytest.mark.parametrize(
    ("gaps", "reason"),
    [
        ([1.5] * 6 + [4.5] * 5, "one slice distance.*6 gaps of 1.5 mm and 5 gaps of 4.5 mm"),
        ([4.5] * 9 + [1.5] * 5, "one slice distance.*5 gaps of 1.5 mm and 9 gaps of 4.5 mm"),
        ([0.6] * 9 + [5.0] * 3 + [0.6] * 9, "one slice distance.*18 gaps of 0.6 mm and 3 gaps of 5 mm"),
        ([0.7, 1.3] * 6, "0.7 mm and 1.3 mm by turns, as of two interleaved stacks"),
        ([2, 2, 2, 6, 2, 2, 2], "no gap may exceed 2.5 times.*6 mm, slices are missing"),
        ([2, 2, 2, 5.1, 2, 2.6, 2], "no gap may exceed 2.5 times.*5.1 mm, it is uneven"),
        ([2, 2, 0, 2, 2], "every slice must have its own position"),
    ],
)
def test_what_has_no_one_step_is_refused(gaps, reason):
    with pytest.raises(ScanError, match=rf"^scan: .*{reason}") as refusal:
        find_planes(ends(*gaps), 0.0, "scan")
    assert ("missing" in str(refusal.value)) == ("missing" in reason)


def test_a_hole_beside_a_damaged_file_is_refused():
    assert find_planes(ends(2, 2, 2, 2), 0.0, "scan", ("007 (cut)",)).even
    with pytest.raises(ScanError, match=r"a gap of 4 mm, and damaged files that may fill it: 007 \(cut\)"):
        find_planes(ends(2, 2, 4, 2, 2), 0.0, "scan", ("007 (cut)",))
