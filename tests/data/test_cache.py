from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from spine_tf.config import PreprocessSpec
from spine_tf.data.cache import MAX_POINTS, cache_case
from spine_tf.scans import ScanError
from tests.support.scans import bright_block_case, bright_block_hu

SPEC = PreprocessSpec(image_size=32, body_box=False)


@pytest.fixture
def case(tmp_path):
    return bright_block_case(tmp_path, "a")


def test_a_case_is_decoded_once_and_opened_after_that(case, tmp_path):
    first = cache_case(case, tmp_path / "cache", SPEC)
    np.testing.assert_array_equal(first.hu, bright_block_hu())
    np.testing.assert_array_equal(first.mask, bright_block_hu() == 1000)
    assert isinstance(first.hu, np.memmap)
    assert (first.hu.dtype, first.mask.dtype) == (np.int16, np.uint8)
    assert first.spacing_mm == (1.0, 1.0, 1.0)
    assert first.window_hu == (-300.0, 1300.0)
    (entry,) = (tmp_path / "cache").iterdir()
    made = entry.stat().st_mtime_ns
    cache_case(case, tmp_path / "cache", SPEC)
    assert [path.stat().st_mtime_ns for path in (tmp_path / "cache").iterdir()] == [made]


def test_points_lie_on_the_spine_and_are_the_same_each_time(case, tmp_path):
    one, two = (cache_case(case, tmp_path / name, SPEC) for name in ("one", "two"))
    assert len(one.points) == min(MAX_POINTS, 14 * 15 * 10)
    assert one.mask[tuple(one.points.T)].all()
    np.testing.assert_array_equal(one.points, two.points)


def test_the_body_box_crops_image_and_mask_alike(tmp_path):
    hu = np.full((40, 40, 40), -1000, np.int16)
    hu[4:36, 6:34, 10:30] = bright_block_hu()
    case = bright_block_case(tmp_path, "b")
    nib.save(nib.Nifti1Image(hu, np.eye(4)), case.image)
    nib.save(nib.Nifti1Image((hu == 1000).astype(np.uint8) * 20, np.eye(4)), case.mask)
    cached = cache_case(case, tmp_path / "cache", replace(SPEC, body_box=True))
    assert cached.hu.shape == (32, 28, 20)
    np.testing.assert_array_equal(cached.mask, cached.hu == 1000)


def test_another_spec_or_file_is_another_entry(case, tmp_path):
    cache_case(case, tmp_path / "cache", SPEC)
    cache_case(case, tmp_path / "cache", replace(SPEC, window_hu=(-100.0, 900.0)))
    cache_case(case, tmp_path / "cache", replace(SPEC, smoothing_mm=3.0))  # applied later: the same entry as the first
    assert len(list((tmp_path / "cache").iterdir())) == 2
    bright_block_case(tmp_path, "a")  # written anew: another date
    cache_case(case, tmp_path / "cache", SPEC)
    assert len(list((tmp_path / "cache").iterdir())) == 3


def test_a_mask_on_another_grid_is_refused_with_both_grids(case, tmp_path):
    nib.save(nib.Nifti1Image(np.zeros((32, 28, 21), np.uint8), np.eye(4)), case.mask)
    with pytest.raises(ScanError, match=r"32 x 28 x 20.*32 x 28 x 21"):
        cache_case(case, tmp_path / "cache", SPEC)
    assert not list(Path(tmp_path).glob("cache/*"))
