"""Segmentations are read back without this project's code: where a frame's pixels lie is told by its own tags."""

import shutil
import subprocess
import sys
from pathlib import Path

import highdicom
import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from scipy.spatial import cKDTree

from spine_tf.config import PreprocessSpec
from spine_tf.inference.engines import Engine
from spine_tf.inference.predict import predict_cases
from spine_tf.scans import ScanError, read_label_map, read_scan, same_grid
from spine_tf.scans.dicom_seg import MAY_BE_EMPTY, ONE_EACH, slices_to_segment, write_dicom_seg
from tests.support.dicom_series import IDENTITY, SHAPE, UID, change_series, some_hu, write_series
from tests.support.paths import SCRIPTS
from tests.support.scans import bright_block_hu

SCRIPT = SCRIPTS / "predict.py"
CORONAL = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])  # columns: along a row, along a column, normal
SAGITTAL = np.array([[0, 0, 1], [1, 0, 0], [0, -1, 0]])
OBLIQUE = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]])
TWICE_OBLIQUE = np.array([[2, 1, 2], [1, 2, -2], [-2, 2, 1]]) / 3
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


def _series(folder: Path, axes=IDENTITY, hu=None, positions=None, **tags) -> Path:
    hu = some_hu() if hu is None else hu
    if positions is None:
        positions = [np.array([-20.0, -30.0, 100.0]) + 2.0 * k * np.asarray(axes)[:, 2] for k in range(hu.shape[2])]
    write_series(folder, hu, positions, axes=axes, **(TAGS | tags))
    return folder


def _points(path: Path) -> np.ndarray:
    """Where in the patient the segment's pixels are, (n, 3) mm in RAS+, from the file's own tags alone."""
    dataset, points = pydicom.dcmread(path), []
    frames = dataset.pixel_array.reshape(-1, dataset.Rows, dataset.Columns)
    shared = dataset.SharedFunctionalGroupsSequence[0]
    row, column = np.reshape(shared.PlaneOrientationSequence[0].ImageOrientationPatient, (2, 3)).astype(float)
    between_rows, between_columns = (float(v) for v in shared.PixelMeasuresSequence[0].PixelSpacing)
    for frame, group in zip(frames, dataset.PerFrameFunctionalGroupsSequence, strict=True):
        corner = np.array(group.PlanePositionSequence[0].ImagePositionPatient, float)
        for r, c in np.argwhere(frame):
            points.append(corner + c * between_columns * row + r * between_rows * column)
    return np.array(points) * [-1, -1, 1]


def _as_mask(path: Path, volume) -> np.ndarray:
    """The segment's pixels as a mask on the volume's axes; each must lie in the middle of a voxel of its own."""
    points, inverse = _points(path), np.linalg.inv(volume.affine)
    indices = points @ inverse[:3, :3].T + inverse[:3, 3]
    np.testing.assert_allclose(indices, np.rint(indices), atol=1e-3)
    mask = np.zeros(volume.shape, int)
    np.add.at(mask, tuple(np.rint(indices).astype(int).T), 1)
    assert mask.max() == 1
    return mask > 0


def _some(volume) -> np.ndarray:
    return np.random.default_rng(1).random(volume.shape) > 0.8


@pytest.mark.parametrize(
    "axes",
    [IDENTITY, np.diag([1, -1, -1]), CORONAL, SAGITTAL, OBLIQUE, TWICE_OBLIQUE],
    ids=["axial", "flipped", "coronal", "sagittal", "oblique", "twice oblique"],
)
@pytest.mark.parametrize("ascending", [True, False])
def test_every_voxel_comes_back_where_it_was(tmp_path, axes, ascending):
    positions = [np.array([-20.0, -30.0, 100.0]) + 2.0 * k * axes[:, 2] for k in range(SHAPE[2])]
    folder = _series(tmp_path / "series", axes, positions=positions if ascending else positions[::-1])
    volume = read_scan(folder)
    mask = _some(volume)
    write_dicom_seg(tmp_path / "a.dcm", mask, volume, slices_to_segment(folder), "small.keras")
    np.testing.assert_array_equal(_as_mask(tmp_path / "a.dcm", volume), mask)


def test_simpleitk_puts_every_voxel_where_the_series_has_it(tmp_path):
    folder = _series(tmp_path / "series", TWICE_OBLIQUE)
    volume = read_scan(folder)
    mask = _some(volume)
    write_dicom_seg(tmp_path / "a.dcm", mask, volume, slices_to_segment(folder), "small.keras")
    image = sitk.ReadImage(tmp_path / "a.dcm")
    pixels = sitk.GetArrayFromImage(image).T > 0  # (columns, rows, slices)
    found = [image.TransformIndexToPhysicalPoint(index.tolist()) for index in np.argwhere(pixels)] * np.array(
        [-1, -1, 1]
    )
    wanted = np.argwhere(mask) @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    assert len(found) == len(wanted)
    assert cKDTree(wanted).query(found)[0].max() < 1e-3


def test_frames_lie_on_the_slices_not_on_the_even_grid_they_are_read_as(tmp_path):
    depths = 2.0 * np.arange(SHAPE[2]) + np.where(np.arange(SHAPE[2]) % 2, 0.04, -0.04)
    folder = _series(tmp_path / "series", positions=[np.array([0, 0, depth]) for depth in depths])
    volume = read_scan(folder)
    assert volume.warnings == ()
    mask = np.zeros(volume.shape, bool)
    mask[4, 3, :] = True
    write_dicom_seg(tmp_path / "a.dcm", mask, volume, slices_to_segment(folder), "small.keras")
    np.testing.assert_allclose(sorted(_points(tmp_path / "a.dcm")[:, 2]), depths, atol=1e-6)


def test_a_slice_that_is_there_twice_has_one_frame(tmp_path):
    folder = _series(tmp_path / "series")
    shutil.copy(next(folder.iterdir()), folder / "copy")
    volume = read_scan(folder)
    write_dicom_seg(tmp_path / "a.dcm", volume.array > -2000, volume, slices_to_segment(folder), "small.keras")
    assert pydicom.dcmread(tmp_path / "a.dcm").NumberOfFrames == SHAPE[2]


def test_each_frame_names_the_slice_it_lies_on(tmp_path):
    folder = _series(tmp_path / "series")
    volume, slices = read_scan(folder), slices_to_segment(folder)
    mask = np.zeros(volume.shape, bool)
    mask[3, 4, 5] = mask[2, 2, 9] = True
    write_dicom_seg(tmp_path / "a.dcm", mask, volume, slices, "small.keras")
    read = highdicom.seg.segread(tmp_path / "a.dcm")
    assert read.number_of_segments == 1
    (segment,) = read.SegmentSequence
    assert (segment.SegmentLabel, segment.SegmentAlgorithmType) == ("Vertebral column", "AUTOMATIC")
    # SNOMED CT, as DICOM's CID 7150 and 7192 have them.
    assert read.segmented_property_categories[0].value == "91723000"  # anatomical structure
    assert read.segmented_property_types[0].value == "421060004"  # structure of vertebral column
    assert segment.SegmentationAlgorithmIdentificationSequence[0].AlgorithmName == "small.keras"
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


def _without(*keywords):
    def change(number, dataset):
        for keyword in keywords:
            dataset.pop(keyword, None)

    return change


def test_tags_that_may_be_empty_may_be_missing(tmp_path):
    folder = change_series(_series(tmp_path / "series"), _without(*MAY_BE_EMPTY))
    volume = read_scan(folder)
    mask = _some(volume)
    write_dicom_seg(tmp_path / "a.dcm", mask, volume, slices_to_segment(folder), "small.keras")
    np.testing.assert_array_equal(_as_mask(tmp_path / "a.dcm", volume), mask)
    written = pydicom.dcmread(tmp_path / "a.dcm")
    assert [str(written[keyword].value or "") for keyword in MAY_BE_EMPTY if keyword != "SliceThickness"] == [""] * 9


@pytest.mark.parametrize("keyword", ONE_EACH)
@pytest.mark.parametrize("uids", [["", ""], ["1.2.7", ""]], ids=["none", "some"])
def test_a_series_that_belongs_nowhere_is_refused_before_a_network_runs(tmp_path, keyword, uids):
    def change(number, dataset):
        # An empty SeriesInstanceUID in some slices alone would make two series.
        setattr(dataset, keyword, uids[number % 2] if keyword != "SeriesInstanceUID" else "")

    folder = change_series(_series(tmp_path / "series"), change)
    with pytest.raises(ScanError, match=f"needs one {keyword} in all slices") as error:
        slices_to_segment(folder)
    assert "\n" not in str(error.value)


def test_slices_of_two_frames_of_reference_are_refused(tmp_path):
    def change(number, dataset):
        dataset.FrameOfReferenceUID = f"1.2.{number % 2}"

    with pytest.raises(ScanError, match=r"must have one FrameOfReferenceUID; .* Received: 2 of 6, 6 slices"):
        slices_to_segment(change_series(_series(tmp_path / "series"), change))


@pytest.mark.parametrize("tag", ["_0010_0030", "_0010_0040"])  # date of birth, sex
def test_no_tag_is_quoted_when_it_is_refused(tmp_path, tag):
    folder = _series(tmp_path / "series", **{tag: "SECRET"})
    with pytest.raises(ScanError, match="must be as DICOM wants them") as error:
        slices_to_segment(folder)
    assert "SECRET" not in str(error.value)


@pytest.mark.parametrize(("charset", "name"), [("ISO_IR 100", "Müller^Änne"), ("ISO_IR 192", "山田^太郎")])
def test_names_keep_their_letters(tmp_path, charset, name):
    def change(number, dataset):
        dataset.SpecificCharacterSet, dataset.PatientName = charset, name

    folder = change_series(_series(tmp_path / "series"), change)
    volume = read_scan(folder)
    write_dicom_seg(tmp_path / "a.dcm", _some(volume), volume, slices_to_segment(folder), "x")
    assert str(pydicom.dcmread(tmp_path / "a.dcm").PatientName) == name


def test_any_file_name_of_a_network_fits(tmp_path):
    folder = _series(tmp_path / "series")
    volume = read_scan(folder)
    write_dicom_seg(tmp_path / "a.dcm", _some(volume), volume, slices_to_segment(folder), "ä\\" + 80 * "n" + ".keras")
    (segment,) = pydicom.dcmread(tmp_path / "a.dcm").SegmentSequence
    assert segment.SegmentAlgorithmName == "?/" + 62 * "n"


def test_a_missing_highdicom_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "highdicom", None)  # as Python marks what cannot be imported
    with pytest.raises(ScanError, match="needs the package highdicom"):
        slices_to_segment(_series(tmp_path / "series"))


def test_who_wants_nifti_does_not_import_it():
    code = "import sys, spine_tf.inference.predict; assert 'highdicom' not in sys.modules; "
    code += "import highdicom; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_nifti_file_is_refused_before_the_network_runs(tmp_path):
    nib.save(nib.Nifti1Image(bright_block_hu(), np.eye(4)), tmp_path / "a_ct.nii.gz")
    ran = []
    engine = Engine(lambda *views: ran.append(1), PreprocessSpec(image_size=32), {}, "counts")
    (outcome,) = predict_cases([tmp_path / "a_ct.nii.gz"], engine, tmp_path / "out", format="dicom-seg", progress=False)
    assert outcome.status == "failed"
    assert outcome.detail == "a_ct.nii.gz: a DICOM segmentation needs a folder with a DICOM series. Received: a file"
    assert not ran
    assert not list((tmp_path / "out").iterdir())


def test_predict_writes_it_beside_the_mask(threshold_run, tmp_path):
    hu = np.full((24, 20, 12), -800, np.int16)
    hu[6:18, 5:12, 3:9] = 1000
    # Without a caret it is a name that highdicom warns of.
    folder = _series(tmp_path / "anna", hu=hu, _0010_0010="SECRET")
    command = [sys.executable, SCRIPT, folder, "--model", threshold_run, "--output", tmp_path / "out"]
    command += ["--format", "dicom-seg"]
    first = subprocess.run(command, capture_output=True, text=True)
    assert first.returncode == 0, first.stderr
    assert "SECRET" not in first.stdout + first.stderr
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["anna_report.json", "anna_seg-spine.dcm", "anna_seg-spine_msk.nii.gz", "anna_seg-spine_snp.png"]
    mask = read_label_map(tmp_path / "out" / "anna_seg-spine_msk.nii.gz")
    assert mask.array.any()
    np.testing.assert_array_equal(_as_mask(tmp_path / "out" / "anna_seg-spine.dcm", mask), mask.array > 0)


def test_a_real_segmentation_goes_out_and_comes_back(shared_data, tmp_path):
    folder = shared_data / "totalseg-dicom" / "series"
    with pytest.raises(ScanError, match=r"SOPInstanceUID of its own .* 0 for 20 slices"):
        slices_to_segment(folder)  # its anonymiser emptied them

    def name(number, dataset):
        dataset.SOPInstanceUID, dataset.SeriesInstanceUID = f"{UID}.{number}", UID

    copy = change_series(shutil.copytree(folder, tmp_path / "series"), name)
    with pytest.raises(ScanError, match=r"one StudyInstanceUID .* 0 in 0 of 20 slices"):
        slices_to_segment(copy)  # emptied, too
    change_series(copy, lambda number, dataset: setattr(dataset, "StudyInstanceUID", "1.2.3"))
    volume, slices = read_scan(copy), slices_to_segment(copy)
    truth = read_label_map(next(folder.parent.glob("*.nii.gz")))
    assert same_grid(volume, truth)
    mask = truth.array > 0
    assert mask.any()
    write_dicom_seg(tmp_path / "a.dcm", mask, volume, slices, "shipped")
    read = highdicom.seg.segread(tmp_path / "a.dcm")
    pixels = read.get_pixels_by_source_instance(
        [item.instance for item in slices], combine_segments=True, assert_missing_frames_are_empty=True
    )
    np.testing.assert_array_equal(pixels > 0, volume.to_stored(mask).transpose(2, 1, 0))
    np.testing.assert_array_equal(_as_mask(tmp_path / "a.dcm", volume), mask)
