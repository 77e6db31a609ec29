"""Folders with slices that are damaged, of somebody else, sent twice, or no files at all."""

import os
import shutil
import socket
import struct

import numpy as np
import pytest

from spine_tf.scans import ScanError, read_scan
from tests.support.dicom_series import SHAPE, UID, change_series, even_positions, slice_path, some_hu, write_series

CORONAL = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])


@pytest.fixture
def series(tmp_path):
    write_series(tmp_path / "series", some_hu(), even_positions())
    return tmp_path / "series"


def by_place(folder):
    """The files in the order of their slices."""
    return [slice_path(folder, k) for k in range(SHAPE[2])]


def refusal(folder, **options):
    with pytest.raises(ScanError) as error:
        read_scan(folder, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def cut_before_series(path):
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"\x20\0\x0e\0")])


@pytest.mark.parametrize("k", [0, 5, 11])
def test_half_the_pixels_of_a_slice_are_refused(series, k):
    path = by_place(series)[k]
    path.write_bytes(path.read_bytes()[:-90])
    said = refusal(series)
    assert said.startswith("series: every slice of the series must be readable. Received: ")
    assert said.endswith(f"{path.name}, element (7FE0,0010) claims 180 bytes, 90 are there")


def test_half_the_pixels_with_a_length_to_match_are_refused(series):
    path = by_place(series)[4]
    content = path.read_bytes()
    at = content.rindex(struct.pack("<I", 180))
    path.write_bytes(content[:at] + struct.pack("<I", 90) + content[at + 4 : at + 94])
    assert f"{path.name}, PixelData have 90 bytes, 180 are expected" in refusal(series)


def test_a_slice_cut_before_its_series_explains_a_hole(series):
    path = by_place(series)[5]
    cut_before_series(path)
    said = refusal(series)
    assert "no slice may be missing from slices 2 mm apart. Received: a gap of 4 mm" in said
    assert path.name in said


def test_a_slice_cut_before_its_series_at_the_end_is_named(series):
    path = by_place(series)[11]
    cut_before_series(path)
    volume = read_scan(series)
    assert volume.shape == (10, 9, 11)
    assert volume.warnings == (f"1 damaged files do not tell their series ({path.name}); passed over",)


@pytest.mark.parametrize("content", [b"", bytes(100), bytes(128) + b"DICM"])
def test_an_emptied_slice_explains_a_hole(series, content):
    path = by_place(series)[5]
    path.write_bytes(content)
    assert path.name in refusal(series)


@pytest.mark.parametrize(
    ("keyword", "values"),
    [
        ("PatientID", ("A", "B")),
        ("PatientName", ("Doe^Jane", "Roe^Jim")),
        ("StudyInstanceUID", ("1.2.3", "1.2.4")),
        ("FrameOfReferenceUID", ("1.2.3", "1.2.4")),
    ],
)
def test_two_patients_under_one_uid_are_refused(series, tmp_path, keyword, values):
    write_series(series / "other", some_hu(), even_positions(start=(-20, -30, 100.7)))
    change_series(series / "other", lambda number, dataset: setattr(dataset, keyword, values[1]))
    shutil.move(series / "other", tmp_path / "other")
    change_series(series, lambda number, dataset: setattr(dataset, keyword, values[0]))
    shutil.move(tmp_path / "other", series / "other")
    said = refusal(series)
    assert f"must have one {keyword}; this one is of several scans. Received: 2 of 12, 12 slices" in said
    assert not any(value in said for value in ("Doe", "Roe"))


def test_two_stacks_that_no_tag_tells_apart_are_refused(series):
    write_series(series / "other", some_hu(), even_positions(start=(-20, -30, 100.7)))
    change_series(series / "other", lambda number, dataset: setattr(dataset, "SOPInstanceUID", f"1.2.{number}"))
    assert "0.7 mm and 1.3 mm by turns, as of two interleaved stacks" in refusal(series)


def test_without_series_uids_patients_are_parted(tmp_path):
    for name, count in (("A", 12), ("B", 9)):
        folder = tmp_path / "scans" / name
        write_series(folder, some_hu()[:, :, :count], even_positions(count))
        change_series(folder, lambda number, dataset, name=name: dataset.update({"PatientID": name}))
        change_series(folder, lambda number, dataset: setattr(dataset, "SeriesInstanceUID", ""))
    volume = read_scan(tmp_path / "scans")
    assert volume.shape == SHAPE
    assert "left: (empty UID) of 10 x 9 pixels (9 slices)" in volume.warnings[0]


def test_an_axial_original_comes_before_a_reformat_of_more_slices(tmp_path):
    hu = some_hu((16, 16, 30))
    write_series(
        tmp_path / "scans", hu[:, :, :12], even_positions(12), uid=f"{UID}.111", _0008_0008="ORIGINAL\\PRIMARY"
    )
    coronal = [np.array([-20.0, -30.0 + k, 120.0]) for k in range(30)]
    reformat = {"uid": f"{UID}.222", "axes": CORONAL, "_0008_0008": "DERIVED\\SECONDARY"}
    write_series(tmp_path / "scans", hu, coronal, **reformat)
    volume = read_scan(tmp_path / "scans")
    assert volume.grid.shape == (16, 16, 12)
    assert volume.warnings[0] == (
        f"of 2 CT series {UID}.111 of 16 x 16 pixels (axial) was taken; left: {UID}.222 of 16 x 16 pixels (30 slices)"
    )
    assert read_scan(tmp_path / "scans", series=f"{UID}.222").grid.shape == (16, 16, 30)


def test_rounded_positions_keep_their_planes(tmp_path):
    hu = some_hu((8, 8, 113))
    positions = [np.array([0.0, 0.0, round(0.625 * k, 1)]) for k in range(113)]
    write_series(tmp_path / "series", hu, positions)
    volume = read_scan(tmp_path / "series")
    assert volume.warnings == ()
    assert volume.spacing_mm[2] == pytest.approx(0.625)
    np.testing.assert_array_equal(volume.as_stored().array, hu)


def test_copies_sent_again_are_read_once(series):
    shutil.copytree(series, series / "again")
    change_series(series / "again", lambda number, dataset: setattr(dataset, "SOPInstanceUID", f"1.2.{number}"))
    volume = read_scan(series)
    assert volume.warnings == ("12 slices are in the folder twice; read once",)
    np.testing.assert_array_equal(volume.as_stored().array, some_hu())


@pytest.mark.parametrize("same_uid", [True, False])
def test_other_pixels_in_one_place_are_refused(series, same_uid):
    (series / "again").mkdir()
    shutil.copy(by_place(series)[3], series / "again" / "copy")

    def change(number, dataset):
        dataset.PixelData = bytes(180)
        if not same_uid:
            dataset.SOPInstanceUID = "1.2.3"

    change_series(series / "again", change)
    assert "two in one place with other pixels (several phases in one series?)" in refusal(series)


def test_thin_slices_below_thick_ones_are_called_so(tmp_path):
    distances = np.concatenate([1.5 * np.arange(8), 10.5 + 4.5 * np.arange(1, 6)])
    write_series(tmp_path / "series", some_hu((10, 9, 13)), [np.array([0, 0, d]) for d in distances])
    said = refusal(tmp_path / "series")
    assert "one slice distance. Received: two one after the other, 7 gaps of 1.5 mm and 5 gaps of 4.5 mm" in said
    assert "missing" not in said


def test_pipes_sockets_and_devices_are_never_opened(series):
    os.mkfifo(series / "pipe.dcm")
    (series / "zero.dcm").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as server:
        # A path longer than 107 bytes is none for a socket.
        here = os.getcwd()
        os.chdir(series)
        try:
            server.bind("socket.dcm")
        finally:
            os.chdir(here)
        volume = read_scan(series)
        for path in by_place(series):
            path.unlink()
        assert "3 x pipe, device or link to a folder" in refusal(series)
    expected = "3 pipes, devices or links to folders are not opened (pipe.dcm, socket.dcm, zero.dcm)"
    assert volume.warnings == (expected,)
    np.testing.assert_array_equal(volume.as_stored().array, some_hu())


def test_annexed_slices_are_read_by_their_links(series):
    store = series / ".git" / "annex" / "objects"
    store.mkdir(parents=True)
    for k, path in enumerate(by_place(series)):
        path.rename(store / f"SHA256E-s{k}")
        path.symlink_to(store / f"SHA256E-s{k}")
    linked = series.with_name("linked")
    linked.symlink_to(series)
    for folder in (series, linked):
        volume = read_scan(folder)
        assert volume.warnings == ()
        assert volume.grid.source == folder.name
        np.testing.assert_array_equal(volume.as_stored().array, some_hu())
    (store / "SHA256E-s5").unlink()
    assert f"{by_place(series)[5].name} (a link to a file that is not here)" in refusal(series)


def test_a_link_to_a_folder_is_named_and_not_followed(series):
    (series / "loop").symlink_to(series)
    assert read_scan(series).warnings == ("1 pipes, devices or links to folders are not opened (loop)",)


NESTED = struct.pack("<HHIHHI", 0xFFFC, 0x10, 0xFFFFFFFF, 0xFFFE, 0xE000, 0xFFFFFFFF)


@pytest.mark.parametrize(
    ("added", "reason"),
    [
        (struct.pack("<HHII", 0x7FE1, 0x10, 0xFFFFFFF0, 0), "claims 4294967280 bytes, 4 are there"),
        (20_000 * NESTED, "nested more than 32 deep"),
    ],
    ids=["4 GiB", "20,000 sequences"],
)
def test_a_hostile_file_is_one_line_and_the_next_scan_is_read(series, tmp_path, added, reason):
    bad = tmp_path / "bad" / "one"
    bad.parent.mkdir()
    bad.write_bytes(by_place(series)[0].read_bytes() + added)
    assert refusal(tmp_path / "bad").startswith("bad: every slice of the series must be readable. Received: one, ")
    assert reason in refusal(tmp_path / "bad")
    assert read_scan(series).shape == SHAPE


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PixelSpacing", [-1, 1]),
        ("RescaleSlope", 0),
        ("BitsStored", 17),
        ("ImageOrientationPatient", [9, 0, 0, 0, 9, 0]),
    ],
)
def test_impossible_headers_are_refused_in_one_line(series, keyword, value):
    change_series(series, lambda number, dataset: number == 3 and setattr(dataset, keyword, value))
    assert keyword in refusal(series)


def test_values_beyond_int16_are_said(series):
    change_series(series, lambda number, dataset: number == 3 and setattr(dataset, "RescaleIntercept", "40000"))
    with pytest.raises(ScanError, match="values must be HU: -1500 to 4000, but for padding and metal"):
        read_scan(series)
    volume = read_scan(series, assume_hu=True)
    assert any("voxels lie above 32767 HU" in warning for warning in volume.warnings)
