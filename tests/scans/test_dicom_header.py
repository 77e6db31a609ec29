"""One file whose header a test makes impossible."""

import numpy as np
import pytest

from spine_tf.scans.dicom_header import Damaged, Slice, read_header
from tests.support.dicom_series import UID, change_series, even_positions, some_hu, write_series


def _changed(folder, **tags):
    """One slice with DICOM keywords set, or left out where the value is None."""

    def change(number, dataset):
        for keyword, value in tags.items():
            if value is None:
                dataset.pop(keyword, None)
            else:
                setattr(dataset, keyword, value)

    write_series(folder, some_hu()[:, :, :1], even_positions(1))
    change_series(folder, change)
    return read_header(next(folder.iterdir()))


def test_a_slice_says_where_it_lies(tmp_path):
    item = _changed(tmp_path / "one", ImageType=["ORIGINAL", "PRIMARY"], ConvolutionKernel=["B30f", "2"])
    assert isinstance(item, Slice)
    assert (item.series, item.instance, item.size) == (UID, f"{UID}.0", (10, 9))
    np.testing.assert_allclose(item.position_mm, [-20, -30, 100])
    np.testing.assert_allclose(item.directions, [[1, 0, 0], [0, 1, 0]])
    np.testing.assert_allclose(item.spacing_mm, [0.8, 1.1])  # columns, rows
    assert (item.slope, item.intercept, item.bits, item.signed) == (1.0, 0.0, (16, 16), True)
    assert (item.image_type, item.kernel) == ("ORIGINAL\\PRIMARY", "B30f\\2")


def test_nothing_of_the_patient_is_kept(tmp_path):
    item = _changed(tmp_path / "one", PatientID="Secret", PatientBirthDate="19500101")
    item.elements.values.clear()
    assert "Secret" not in repr(item)
    assert "1950" not in repr(item)


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({"PixelSpacing": [0, 1]}, "PixelSpacing"),
        ({"PixelSpacing": [-0.8, 0.8]}, "PixelSpacing"),
        ({"PixelSpacing": [0.8, 900.0]}, "PixelSpacing 0.8\\900.0 is not in 0.05 to 20 mm"),
        ({"PixelSpacing": None}, "PixelSpacing must be 2 numbers, not missing"),
        ({"RescaleSlope": 0}, "RescaleSlope is 0"),
        ({"RescaleSlope": [1.0, 1.0]}, "RescaleSlope must be 1 numbers, not 1.0\\1.0"),
        ({"BitsStored": 17}, "BitsAllocated 16, BitsStored 17"),
        ({"BitsStored": 0, "HighBit": 0}, "BitsStored 0"),
        ({"BitsStored": 12, "HighBit": 15}, "HighBit 15 do not fit"),
        ({"BitsAllocated": 12, "BitsStored": 12, "HighBit": 11}, "BitsAllocated 12"),
        ({"BitsAllocated": None}, "BitsAllocated 0"),
        ({"PixelRepresentation": 7}, "PixelRepresentation 7 is neither 0 nor 1"),
        ({"Rows": 0}, "10 columns and 0 rows"),
        ({"Columns": None}, "0 columns and 9 rows"),
        ({"Rows": 18}, "PixelData have 180 bytes, 360 are expected"),
        ({"Rows": 8}, "PixelData have 180 bytes, 160 are expected"),
        ({"PixelData": None}, "there are no PixelData"),
        ({"PixelData": bytes(90)}, "PixelData have 90 bytes, 180 are expected"),
        ({"ImageOrientationPatient": [100, 0, 0, 0, 100, 0]}, "is not two unit vectors at right angles"),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "is not two unit vectors at right angles"),
        ({"ImageOrientationPatient": [0, 0, 0, 0, 0, 0]}, "is not two unit vectors at right angles"),
        ({"ImageOrientationPatient": [1, 0, 0]}, "must be 6 numbers"),
        ({"ImagePositionPatient": [0, 0, "1e30"]}, "is more than 10 m away"),
        ({"ImagePositionPatient": None}, "ImagePositionPatient must be 3 numbers, not missing"),
    ],
)
def test_impossible_headers_are_damage(tmp_path, tags, reason):
    item = _changed(tmp_path / "one", **tags)
    assert isinstance(item, Damaged)
    assert reason in item.reason
    assert item.series == UID


@pytest.mark.parametrize(
    ("tags", "what"),
    [
        ({"Modality": "MR"}, "modality MR"),
        ({"Modality": None}, "modality unknown"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "localizer"),
        ({"SamplesPerPixel": 3}, "colour picture"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "colour picture"),
        ({"NumberOfFrames": 4}, "multi-frame CT (export it as single slices)"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.66", "PixelData": None}, "CT object that is no slice"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7", "ImagePositionPatient": None}, "CT object that is no slice"),
    ],
)
def test_what_is_no_slice_is_told(tmp_path, tags, what):
    assert _changed(tmp_path / "one", **tags) == what


@pytest.mark.parametrize(
    ("name", "content"), [("a", b""), ("a", bytes(77)), ("a", bytes(200)), ("a.dcm", b"text"), ("a.IMA", b"x" * 500)]
)
def test_torn_files_may_be_slices(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert read_header(tmp_path / name) == Damaged(tmp_path / name, "no DICOM file")


@pytest.mark.parametrize(("name", "content"), [("README", b"text"), ("a.png", b"\x89PNG" + bytes(200))])
def test_other_files_are_none(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert read_header(tmp_path / name) == "no readable image"


def test_a_file_that_cannot_be_read_is_damage(tmp_path):
    (tmp_path / "a").symlink_to("a")  # as a file without permission, but for root too
    assert read_header(tmp_path / "a").reason.startswith("cannot be read (")


def test_a_cut_tells_its_series_only_if_that_came_before(tmp_path):
    write_series(tmp_path / "one", some_hu()[:, :, :1], even_positions(1))
    path = next((tmp_path / "one").iterdir())
    whole = path.read_bytes()
    uid_tag = whole.index(b"\x20\0\x0e\0")
    path.write_bytes(whole[: uid_tag + 12])
    assert read_header(path).series is None
    path.write_bytes(whole[: uid_tag + 40])
    assert read_header(path).series == UID
