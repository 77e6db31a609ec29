import json

import nibabel as nib
import numpy as np
import pytest

from spine_tf.inference.engines import load_engine
from spine_tf.inference.one_scan import mask_warnings, segment
from spine_tf.inference.predict import predict_cases
from spine_tf.scans import read_scan, volume_from_array
from spine_tf.support.errors import OutputError
from tests.support.scans import bright_block_hu


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    path = tmp_path_factory.mktemp("scan") / "a_ct.nii.gz"
    nib.save(nib.Nifti1Image(bright_block_hu(), np.diag([-1.0, 1.5, 2.0, 1.0])), path)
    return path


def test_the_files_are_those_of_predict_and_predict_takes_them_for_done(threshold_lite, scan, tmp_path):
    engine = load_engine(threshold_lite)
    result = segment(scan, threshold_lite)
    report = result.save(tmp_path / "saved", save_probability=True)
    predict_cases([scan], engine, tmp_path / "predicted", save_probability=True, progress=False)
    names = sorted(path.name for path in (tmp_path / "predicted").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "saved").iterdir())
    for name in (name for name in names if not name.endswith(".json")):
        assert (tmp_path / "saved" / name).read_bytes() == (tmp_path / "predicted" / name).read_bytes()
    assert json.loads((tmp_path / "saved" / "a_report.json").read_text()) == report
    (outcome,) = predict_cases([scan], engine, tmp_path / "saved", progress=False)
    assert outcome.status == "skipped"


def test_a_path_a_volume_and_an_engine_give_the_same_mask(threshold_lite, scan):
    by_path = segment(scan, threshold_lite)
    by_volume = segment(read_scan(scan), load_engine(threshold_lite))
    np.testing.assert_array_equal(by_path.mask, by_volume.mask)
    assert (by_path.case, by_volume.case) == ("a", "scan")
    # The block: 14 x 15 x 10 voxels of 3 mm3. The x axis is stored from left to right.
    assert by_path.mask_ml == pytest.approx(6.3, rel=0.1)
    block = np.zeros(by_path.mask.shape, bool)
    block[14:28, 9:24, 3:13] = True
    assert (by_path.mask == block).mean() > 0.95
    assert by_path.probability.dtype == np.float32
    assert "made_from" in by_path.facts
    assert "made_from" not in by_volume.facts


def test_a_notebook_shows_a_picture(threshold_lite, scan):
    picture = segment(scan, threshold_lite)._repr_png_()
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")


def test_saving_replaces_its_own_files_alone(threshold_lite, scan, tmp_path):
    result = segment(scan, threshold_lite)
    result.save(tmp_path)
    result.save(tmp_path)
    (tmp_path / "a_report.json").unlink()
    with pytest.raises(OutputError, match=r"^a_seg-spine_msk\.nii\.gz must be free"):
        result.save(tmp_path)


def test_warnings_are_those_of_the_scan_and_of_the_mask(threshold_lite):
    air = volume_from_array(np.full((32, 32, 32), -1000, np.int16), np.eye(4))
    assert segment(air, threshold_lite).warnings == ("the mask is empty: no spine was found",)


def test_masks_that_want_a_look_are_warned_of():
    volume = volume_from_array(np.zeros((20, 20, 20), np.int16), np.eye(4))
    mask = np.zeros((20, 20, 20), bool)
    assert mask_warnings(mask, volume) == ["the mask is empty: no spine was found"]
    mask[5:10, 5:10, 5:10] = True
    assert mask_warnings(mask, volume) == ["the mask is small: 0.1 ml, under 5 ml"]
    mask[1:19, 1:19, 1:] = True
    assert mask_warnings(mask, volume) == [
        "the mask touches the border of the scan (upper end): the spine may go on outside"
    ]
