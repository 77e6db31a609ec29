"""DICOM folders: made series whose slices lie where the test says, and the real and odd ones of the shared data."""

import shutil

import nibabel as nib
import numpy as np
import pytest

from spine_tf.scans import ScanError, describe_geometry, read_label_map, read_scan, same_grid, write_mask
from tests.support.dicom_series import SHAPE, SPACING, STEP, UID, even_positions, some_hu, write_series


@pytest.mark.parametrize("compress", ["", "JPEG2000", "JPEG"])
def test_voxels_and_affine_of_a_series(tmp_path, compress):
    hu = some_hu()
    write_series(tmp_path / "series", hu, even_positions(), compress=compress)

    volume = read_scan(tmp_path / "series")

    compressed = [b"1.2.840.10008.1.2.4." in file.read_bytes() for file in (tmp_path / "series").iterdir()]
    assert compressed == [bool(compress)] * SHAPE[2]
    assert volume.warnings == ()
    # LPS columns and rows run to the left and to the back: in RAS+ both are turned.
    np.testing.assert_array_equal(volume.array, hu[::-1, ::-1, :])
    np.testing.assert_array_equal(volume.as_stored().array, hu)
    np.testing.assert_allclose(volume.spacing_mm, (*SPACING, STEP), atol=1e-6)
    np.testing.assert_allclose(volume.grid.affine @ [0, 0, 0, 1], [20, 30, 100, 1], atol=1e-6)
    np.testing.assert_allclose(volume.grid.affine @ [1, 2, 3, 1], [20 - 0.8, 30 - 2.2, 106, 1], atol=1e-6)
    assert (volume.grid.qform_code, volume.grid.sform_code) == (1, 1)


def test_slices_stored_head_first_come_out_the_same(tmp_path):
    hu = some_hu()
    write_series(tmp_path / "up", hu, even_positions())
    write_series(tmp_path / "down", hu[:, :, ::-1], even_positions()[::-1])
    up, down = read_scan(tmp_path / "up"), read_scan(tmp_path / "down")
    np.testing.assert_array_equal(up.array, down.array)
    assert same_grid(up, down)


def test_coronal_series_ends_in_ras_order(tmp_path):
    hu = some_hu()
    axes = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])  # columns to the left, rows to the feet, slices to the back
    positions = [np.array([-20.0, -30.0 + STEP * k, 100.0]) for k in range(SHAPE[2])]
    write_series(tmp_path / "series", hu, positions, axes=axes)
    volume = read_scan(tmp_path / "series")
    # Stored (left, feet, back) becomes (right, front, head).
    np.testing.assert_array_equal(volume.array, hu.transpose(0, 2, 1)[::-1, ::-1, ::-1])
    assert volume.grid.orientation == "LIP"


def test_rescale_is_applied(tmp_path):
    hu = some_hu()
    write_series(tmp_path / "series", hu, even_positions(), _0028_1052="-1024", _0028_1053="1")
    # The file holds HU + 1024.
    stored = (hu[:, :, 0] + 1024).astype("<u2").tobytes(order="F")
    assert any(stored in file.read_bytes() for file in (tmp_path / "series").iterdir())
    np.testing.assert_array_equal(read_scan(tmp_path / "series").as_stored().array, hu)


def test_mask_of_a_series_lies_on_its_grid_and_carries_no_tags(tmp_path):
    write_series(tmp_path / "series", some_hu(), even_positions())
    volume = read_scan(tmp_path / "series")
    mask = volume.array > 700
    write_mask(tmp_path / "mask.nii.gz", mask, volume)

    again = read_label_map(tmp_path / "mask.nii.gz")
    assert same_grid(again, volume)
    np.testing.assert_array_equal(again.array, mask)
    image = nib.load(tmp_path / "mask.nii.gz")
    np.testing.assert_allclose(image.get_qform(), image.get_sform(), atol=1e-5)
    assert b"Secret" not in image.to_bytes()
    assert "Secret" not in f"{describe_geometry(volume)}{volume.grid}{volume.warnings}"


def test_largest_series_is_taken_and_named_and_series_chooses(tmp_path):
    hu = some_hu()
    write_series(tmp_path / "scans", hu, even_positions(), uid=f"{UID}.111")
    write_series(tmp_path / "scans", hu[:, :, :9], even_positions(9), uid=f"{UID}.222")
    write_series(
        tmp_path / "scans" / "scout",
        hu[:, :, :1],
        even_positions(1),
        uid=f"{UID}.333",
        _0008_0008="ORIGINAL\\LOCALIZER",
    )
    (tmp_path / "scans" / "notes.txt").write_text("no image")

    volume = read_scan(tmp_path / "scans")
    assert volume.shape == SHAPE
    assert f"{UID}.111" in volume.warnings[0]
    assert f"{UID}.222" in volume.warnings[0]
    assert read_scan(tmp_path / "scans", series=f"{UID}.222").shape == (10, 9, 9)
    with pytest.raises(ScanError, match=r"series must be one of .*111.*222.*Received: 'nope'"):
        read_scan(tmp_path / "scans", series="nope")


def test_series_of_two_slice_sizes_is_split(tmp_path):
    write_series(tmp_path / "scans", some_hu(), even_positions())
    write_series(tmp_path / "scans" / "more", some_hu((16, 9, 2)), even_positions(2))
    volume = read_scan(tmp_path / "scans")
    assert volume.shape == SHAPE
    assert "16 x 9 pixels" in volume.warnings[0]


def test_one_missing_slice_is_interpolated_and_said(tmp_path):
    hu = some_hu()
    kept = [k for k in range(SHAPE[2]) if k != 5]
    write_series(tmp_path / "series", hu[:, :, kept], [even_positions()[k] for k in kept])
    volume = read_scan(tmp_path / "series")
    assert "slice distances vary from 2 to 4 mm; resampled to 2 mm" in volume.warnings[0]
    stored = volume.as_stored().array
    assert stored.shape == SHAPE
    np.testing.assert_array_equal(stored[:, :, kept], hu[:, :, kept])
    middle = (hu[:, :, 4].astype(float) + hu[:, :, 6]) / 2
    assert np.abs(stored[:, :, 5] - middle).max() <= 0.5


@pytest.mark.parametrize(
    ("positions", "reason"),
    [
        ([p for k, p in enumerate(even_positions()) if k not in (5, 6)], "slices are missing"),
        ([*even_positions(11), even_positions(11)[4]], "every slice must have its own position"),
        ([np.add(p, (0, 1.8 * k, 0)) for k, p in enumerate(even_positions())], "gantry tilt of at most 35 degrees"),
        (even_positions(7), "at least 8 voxels along every axis"),
        (even_positions(12, step=30.0), "voxel sizes must lie in"),
        ([np.add(p, (0, 0, 7e3)) for p in even_positions()], "within 5000 mm of the origin"),
    ],
)
def test_refused_positions(tmp_path, positions, reason):
    write_series(tmp_path / "series", some_hu()[:, :, : len(positions)], positions)
    with pytest.raises(ScanError, match=rf"^series: .*{reason}"):
        read_scan(tmp_path / "series")


def test_gantry_tilt_is_straightened(tmp_path):
    # A straight bar along z, in slices that each begin a row (1.1 mm) further back: 1.1 / 5 is 12.4 degrees.
    columns, rows, count = 10, 24, 12
    hu = np.full((columns, rows, count), -1000, np.int16)
    for k in range(count):
        hu[3:6, 14 - k : 17 - k, k] = 1000
    write_series(tmp_path / "series", hu, [np.array([0, 1.1 * k, 5.0 * k]) for k in range(count)])

    volume = read_scan(tmp_path / "series")

    assert "gantry tilt of 12.4 degrees" in volume.warnings[0]
    stored = volume.as_stored().array
    assert stored.shape == (columns, rows + count - 1, count)
    expected = np.zeros(stored.shape, bool)
    expected[3:6, 14:17, :] = True
    np.testing.assert_array_equal(stored > 0, expected)
    assert stored[0, 0, -1] == -1024  # where the last slice has no voxels
    np.testing.assert_allclose(volume.grid.affine @ [0, 14, 0, 1], [0, -14 * 1.1, 0, 1], atol=1e-5)


def test_tilt_towards_the_front_moves_the_origin(tmp_path):
    hu = some_hu((10, 9, 12))
    write_series(tmp_path / "series", hu, [np.array([0, -1.1 * k, 5.0 * k]) for k in range(12)])
    volume = read_scan(tmp_path / "series")
    assert volume.as_stored().shape == (10, 20, 12)
    np.testing.assert_array_equal(volume.as_stored().array[:, 11:, 0], hu[:, :, 0])
    np.testing.assert_array_equal(volume.as_stored().array[:, :9, 11], hu[:, :, 11])
    np.testing.assert_allclose(volume.grid.affine @ [0, 11, 0, 1], [0, 0, 0, 1], atol=1e-5)


def test_copies_of_a_slice_are_read_once(tmp_path):
    write_series(tmp_path / "series", some_hu(), even_positions())
    shutil.copytree(tmp_path / "series", tmp_path / "series" / "copy")
    volume = read_scan(tmp_path / "series")
    assert volume.shape == SHAPE
    assert "12 slices are in the folder twice" in volume.warnings[0]


def test_truncated_slice_refuses_its_series_only(tmp_path):
    write_series(tmp_path / "scans", some_hu(), even_positions(), uid=f"{UID}.111")
    write_series(tmp_path / "scans", some_hu()[:, :, :9], even_positions(9), uid=f"{UID}.222")
    victim = next(p for p in (tmp_path / "scans").iterdir() if p.name.startswith("222"))
    victim.write_bytes(victim.read_bytes()[:-40])
    assert "1 CT slices of other series cannot be read" in read_scan(tmp_path / "scans").warnings[1]
    with pytest.raises(ScanError, match="every slice of the series must be readable"):
        read_scan(tmp_path / "scans", series=f"{UID}.222")


def test_other_modalities_are_refused(tmp_path):
    write_series(tmp_path / "mr", some_hu(), even_positions(), _0008_0060="MR")
    with pytest.raises(ScanError, match=r"a CT series is needed\. Received: 12 x modality MR"):
        read_scan(tmp_path / "mr")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ScanError, match="an empty folder"):
        read_scan(tmp_path / "empty")


def test_memory_budget_counts_before_pixels_are_read(tmp_path):
    write_series(tmp_path / "series", some_hu(), even_positions())
    with pytest.raises(ScanError, match=r"fit memory_budget_gib=1e-06"):
        read_scan(tmp_path / "series", memory_budget_gib=1e-6)


def test_real_series_agrees_with_its_nifti_segmentation(shared_data):
    """JPEG 2000, an empty series UID, SliceThickness 3 against 2 mm; the mask is stored with its rows the other way."""
    folder = shared_data / "totalseg-dicom"
    volume, mask = read_scan(folder / "series"), read_label_map(folder / "example_seg_dicom.nii.gz")
    assert volume.spacing_mm[2] == pytest.approx(2.0)
    assert (volume.grid.orientation, mask.grid.orientation) == ("LPS", "LAS")
    assert same_grid(volume, mask)
    # Physical space agrees: voxels called T11 and T12 are bone, and those of the mirrored mask are not.
    vertebrae = np.isin(mask.array, (32, 33))
    assert volume.array[vertebrae].mean() > 200
    assert volume.array[vertebrae[:, ::-1]].mean() < 100
    assert read_scan(folder / "series", series="").shape == volume.shape


def test_odd_dicom_files_are_refused_in_one_line(shared_data, tmp_path):
    for file in sorted((shared_data / "odd-dicom").iterdir()):
        folder = tmp_path / file.stem / "one"
        folder.mkdir(parents=True)
        shutil.copy(file, folder)
        for path in (folder, folder / file.name):
            with pytest.raises(ScanError, match="Received: ") as refusal:
                read_scan(path)
            assert "\n" not in str(refusal.value)
            assert path.name in str(refusal.value)
