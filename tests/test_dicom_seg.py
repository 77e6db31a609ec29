"""Segmentations are read back without this project's code: where a frame's pixels lie is told by its own tags."""

import subprocess
import sys
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
from test_dicom import IDENTITY, SHAPE, UID, write_series

from spine_tf.scans import ScanError, read_label_map, read_scan, same_grid
from spine_tf.scans.dicom_seg import slices_to_segment, write_dicom_seg

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "predict.py"
CORONAL = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])  # columns: along a row, along a column, normal
OBLIQUE = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]])
TAGS = {
    "_0020_0052": "1.2.3.4",  # FrameOfReferenceUID
    "_0008_0020": "20200101",
    "_0008_0030": "120000",
    "_0008_0050": "",
    "_0008_0090": "",
    "_0010_0020": "P1",
    "_0010_0030": "",
    "_0010_0040": "O",
    "_0020_0010": "1",
    "_0020_0011": "2",
}


def _series(folder: Path, axes=IDENTITY, hu=None, positions=None) -> Path:
    hu = np.random.default_rng(0).integers(-900, 1500, SHAPE).astype(np.int16) if hu is None else hu
    if positions is None:
        positions = [np.array([-20.0, -30.0, 100.0]) + 2.0 * k * np.asarray(axes)[:, 2] for k in range(hu.shape[2])]
    write_series(folder, hu, positions, axes=axes, **TAGS)
    return folder


def _points(path: Path) -> set[tuple[float, ...]]:
    """Where in the patient (LPS, mm) the segment's pixels are, from the file's own tags alone."""
    dataset, points = pydicom.dcmread(path), []
    frames = dataset.pixel_array.reshape(-1, dataset.Rows, dataset.Columns)
    shared = dataset.SharedFunctionalGroupsSequence[0]
    row, column = np.reshape(shared.PlaneOrientationSequence[0].ImageOrientationPatient, (2, 3)).astype(float)
    between_rows, between_columns = (float(v) for v in shared.PixelMeasuresSequence[0].PixelSpacing)
    for frame, group in zip(frames, dataset.PerFrameFunctionalGroupsSequence, strict=True):
        corner = np.array(group.PlanePositionSequence[0].ImagePositionPatient, float)
        for r, c in np.argwhere(frame):
            points.append(corner + c * between_columns * row + r * between_rows * column)
    return {tuple(np.round(point, 2) + 0.0) for point in points}


def _expected(mask, volume) -> set[tuple[float, ...]]:
    indices = np.argwhere(mask)
    ras = indices @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    return {tuple(np.round(point * [-1, -1, 1], 2) + 0.0) for point in ras}


@pytest.mark.parametrize(
    "axes", [np.eye(3), np.diag([1, -1, -1]), CORONAL, OBLIQUE], ids=["axial", "flipped", "coronal", "oblique"]
)
def test_every_voxel_comes_back_where_it_was(tmp_path, axes):
    folder = _series(tmp_path / "series", axes)
    volume = read_scan(folder)
    mask = np.random.default_rng(1).random(volume.shape) > 0.8
    write_dicom_seg(tmp_path / "a.dcm", mask, volume, slices_to_segment(folder), "small.keras")
    assert _points(tmp_path / "a.dcm") == _expected(mask, volume)
    assert len(_expected(mask, volume)) == mask.sum()


def test_each_frame_names_the_slice_it_lies_on(tmp_path):
    folder = _series(tmp_path / "series")
    volume, slices = read_scan(folder), slices_to_segment(folder)
    mask = np.zeros(volume.shape, bool)
    mask[3, 4, 5] = mask[2, 2, 9] = True
    write_dicom_seg(tmp_path / "a.dcm", mask, volume, slices, "small.keras")
    read = highdicom.seg.segread(tmp_path / "a.dcm")
    assert read.number_of_segments == 1
    assert read.segmented_property_types[0].value == "421060004"  # SNOMED CT: spine
    assert read.NumberOfFrames == 2  # slices without spine have none
    assert read.SeriesDescription == read.ContentDescription == "spine_tf, not for diagnostic use"
    assert (read.PatientID, read.StudyInstanceUID) == ("P1", "1.2.3")
    assert read.SeriesInstanceUID != UID
    uids = [item.instance for item in slices]
    pixels = read.get_pixels_by_source_instance(uids, combine_segments=True)  # (slices, rows, columns)
    np.testing.assert_array_equal(pixels > 0, volume.to_stored(mask).transpose(2, 1, 0))


def test_no_spine_is_a_file_of_empty_frames(tmp_path):
    folder = _series(tmp_path / "series")
    volume = read_scan(folder)
    write_dicom_seg(tmp_path / "a.dcm", np.zeros(volume.shape, bool), volume, slices_to_segment(folder), "x")
    read = highdicom.seg.segread(tmp_path / "a.dcm")
    assert read.NumberOfFrames == SHAPE[2]
    assert not read.pixel_array.any()


def test_what_cannot_be_put_back_is_refused(tmp_path):
    uneven = [np.array([0.0, 0, z]) for z in (0, 2, 4, 6, 8, 12, 14, 16, 18, 20, 22, 24)]
    with pytest.raises(ScanError, match=r"lie on a rectangular grid .* slice distances vary from 2 to 4 mm"):
        slices_to_segment(_series(tmp_path / "uneven", positions=uneven))
    tilted = [np.array([0.0, 0.5 * k, 2.0 * k]) for k in range(SHAPE[2])]
    with pytest.raises(ScanError, match=r"lie on a rectangular grid .*gantry tilt"):
        slices_to_segment(_series(tmp_path / "tilted", positions=tilted))
    (tmp_path / "a.nii.gz").touch()
    with pytest.raises(ScanError, match="needs a folder with a DICOM series"):
        slices_to_segment(tmp_path / "a.nii.gz")


def test_a_series_without_the_tags_is_refused_in_one_line(tmp_path):
    folder = _series(tmp_path / "series")
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        del dataset.FrameOfReferenceUID
        dataset.save_as(path)
    volume = read_scan(folder)
    with pytest.raises(ScanError, match="Frame Of Reference UID"):
        write_dicom_seg(tmp_path / "a.dcm", volume.hu > 0, volume, slices_to_segment(folder), "x")
    assert not (tmp_path / "a.dcm").exists()


def test_predict_writes_it_beside_the_mask(threshold_run, tmp_path):
    hu = np.full((24, 20, 12), -800, np.int16)
    hu[6:18, 5:12, 3:9] = 1000
    folder = _series(tmp_path / "anna", hu=hu)
    command = [sys.executable, SCRIPT, folder, "--model", threshold_run, "--output", tmp_path / "out"]
    command += ["--format", "dicom-seg"]
    first = subprocess.run(command, capture_output=True, text=True)
    assert first.returncode == 0, first.stderr
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["anna_report.json", "anna_seg-spine.dcm", "anna_seg-spine_msk.nii.gz", "anna_seg-spine_snp.png"]
    mask = read_label_map(tmp_path / "out" / "anna_seg-spine_msk.nii.gz")
    assert mask.hu.any()
    assert _points(tmp_path / "out" / "anna_seg-spine.dcm") == _expected(mask.hu > 0, mask)


def test_a_real_segmentation_goes_out_and_comes_back(shared_data, tmp_path):
    folder = shared_data / "totalseg-dicom" / "series"
    with pytest.raises(ScanError, match=r"SOPInstanceUID of its own .* 0 for 20 slices"):
        slices_to_segment(folder)  # its anonymiser emptied them
    copy = tmp_path / "series"
    copy.mkdir()
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.SOPInstanceUID = pydicom.uid.generate_uid()
        dataset.save_as(copy / path.name)
    volume, slices = read_scan(copy), slices_to_segment(copy)
    truth = read_label_map(next(folder.parent.glob("*.nii.gz")))
    assert same_grid(volume, truth)
    mask = truth.hu > 0
    assert mask.any()
    write_dicom_seg(tmp_path / "a.dcm", mask, volume, slices, "shipped")
    read = highdicom.seg.segread(tmp_path / "a.dcm")
    pixels = read.get_pixels_by_source_instance(
        [item.instance for item in slices], combine_segments=True, assert_missing_frames_are_empty=True
    )
    np.testing.assert_array_equal(pixels > 0, volume.to_stored(mask).transpose(2, 1, 0))
