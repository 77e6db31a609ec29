"""NIfTI in and out: real files of every kind, broken ones refused, masks on the scan's own grid."""

import gzip
import os
import re
import socket
import time

import nibabel as nib
import numpy as np
import pytest

from spine_tf.scans import (
    ScanError,
    read_label_map,
    read_scan,
    same_grid,
    volume_from_array,
    write_mask,
    write_probability,
)

SHAPE = (9, 10, 11)


def _hu() -> np.ndarray:
    return np.random.default_rng(0).integers(-1000, 1500, SHAPE).astype(np.int16)


def _affine() -> np.ndarray:
    """Oblique, anisotropic, stored PIR-like."""
    affine = np.eye(4)
    turn = nib.eulerangles.euler2mat(0.1, -0.2, 0.15)
    affine[:3, :3] = turn @ np.array([[0, 0, 2.0], [-0.8, 0, 0], [0, -1.2, 0]])
    affine[:3, 3] = (-20.0, 31.0, 5.0)
    return affine


def _image(hu, *, version=1, qform_code=1, sform_code=1, affine=None, endianness="<") -> nib.Nifti1Image:
    cls = {1: nib.Nifti1Image, 2: nib.Nifti2Image}[version]
    header = cls.header_class(endianness=endianness)
    header.set_data_dtype(hu.dtype)
    image = cls(hu, None, header)
    affine = _affine() if affine is None else affine
    image.header.set_qform(affine, qform_code)
    image.header.set_sform(affine, sform_code)
    return image


def _save(path, image, **fields):
    """Save with header fields set behind nibabel's back."""
    content = bytearray(image.to_bytes())
    header = type(image.header)(bytes(content[: image.header.sizeof_hdr]), check=False)
    for name, value in fields.items():
        header[name] = value
    content[: image.header.sizeof_hdr] = header.binaryblock
    path.write_bytes(gzip.compress(bytes(content)) if path.name.endswith(".gz") else bytes(content))
    return path


@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz"])
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("endianness", ["<", ">"])
@pytest.mark.parametrize("dtype", ["i2", "u2", "i4", "f4", "f8"])
def test_reads_what_nibabel_reads(tmp_path, name, version, endianness, dtype):
    hu = _hu()
    stored = (hu + 1024 if dtype == "u2" else hu).astype(f"{endianness}{dtype}")
    image = _image(stored, version=version, endianness=endianness)
    path = _save(tmp_path / name, image, **({"scl_slope": 1, "scl_inter": -1024} if dtype == "u2" else {}))

    volume = read_scan(path)

    truth = nib.as_closest_canonical(nib.load(path))
    np.testing.assert_array_equal(volume.array, truth.get_fdata())
    np.testing.assert_array_equal(volume.as_stored().array, hu)
    np.testing.assert_allclose(volume.affine, truth.affine, atol=1e-6)
    assert volume.array.dtype == np.int16
    assert len(volume.warnings) == (dtype in ("i4", "f4", "f8"))


def test_slope_and_intercept(tmp_path):
    hu = _hu()
    halves = ((hu.astype(int) + 1000) // 2).astype(np.int16)
    path = _save(tmp_path / "scan.nii", _image(halves), scl_slope=2.0, scl_inter=-1000.0)
    np.testing.assert_array_equal(read_scan(path).as_stored().array, halves * 2 - 1000)
    path = _save(tmp_path / "scan.nii", _image(hu), scl_slope=0.0, scl_inter=5.0)
    assert read_scan(path).warnings == ()
    np.testing.assert_array_equal(read_scan(path).as_stored().array, hu)
    path = _save(tmp_path / "scan.nii", _image(hu), scl_slope=np.nan)
    assert "scl_slope is NaN" in read_scan(path).warnings[0]
    for slope, intercept in ((np.inf, 0), (1, np.nan)):
        path = _save(tmp_path / "scan.nii", _image(hu), scl_slope=slope, scl_inter=intercept)
        with pytest.raises(ScanError, match="scl_slope and scl_inter must be finite"):
            read_scan(path)


def test_form_is_chosen_as_nibabel_does(tmp_path):
    for qform_code, sform_code in [(1, 1), (1, 0), (0, 2), (0, 0)]:
        path = _save(tmp_path / "scan.nii", _image(_hu(), qform_code=qform_code, sform_code=sform_code))
        volume = read_scan(path)
        np.testing.assert_array_equal(volume.grid.affine, nib.load(path).affine)
        assert (volume.grid.qform is None, volume.grid.sform is None) == (qform_code == 0, sform_code == 0)
        assert bool(volume.warnings) == ((qform_code, sform_code) == (0, 0))
    assert "neither qform nor sform is set" in volume.warnings[0]


def test_forms_that_differ_are_said_and_the_sform_wins(tmp_path):
    image = _image(_hu())
    moved = _affine()
    moved[0, 3] += 3
    image.header.set_qform(moved, 1)
    volume = read_scan(_save(tmp_path / "scan.nii", image))
    assert volume.warnings == ("sform and qform differ by up to 3 mm; the sform is used",)
    np.testing.assert_allclose(volume.grid.affine, _affine(), atol=1e-6)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"quatern_b": 2}, "the qform is no rotation"),
        ({"qoffset_x": np.inf}, r"the qform is no rotation \(not finite\)"),
        ({"pixdim": [3, 2, 0.8, 1.2, 0, 0, 0, 0]}, r"the qform is no rotation \(qfac 3\)"),
    ],
)
def test_a_qform_that_is_no_rotation_is_said_and_not_copied(tmp_path, fields, reason):
    volume = read_scan(_save(tmp_path / "scan.nii", _image(_hu()), **fields))
    assert re.search(reason, volume.warnings[0])
    np.testing.assert_allclose(volume.grid.affine, _affine(), atol=1e-6)
    write_mask(tmp_path / "mask.nii.gz", volume.array > 0, volume)
    header = nib.load(tmp_path / "mask.nii.gz").header
    assert (int(header["qform_code"]), int(header["sform_code"])) == (0, 1)
    assert [float(header[name]) for name in ("quatern_b", "qoffset_x")] == [0, 0]
    assert float(header["pixdim"][0]) == 1
    np.testing.assert_allclose(header.get_best_affine(), _affine(), atol=1e-6)


def test_voxel_sizes_that_contradict_the_sform_are_not_copied(tmp_path):
    fields = {"qform_code": 0, "quatern_b": 0, "quatern_c": 0, "quatern_d": 0}
    fields |= {"qoffset_x": 0, "qoffset_y": 0, "qoffset_z": 0, "pixdim": [1, 1, 1, 1, 0, 0, 0, 0]}
    volume = read_scan(_save(tmp_path / "scan.nii", _image(_hu()), **fields))
    assert volume.warnings == ("the voxel sizes in pixdim differ from those of the affine; the affine is used",)
    write_mask(tmp_path / "mask.nii.gz", volume.array > 0, volume)
    np.testing.assert_allclose(nib.load(tmp_path / "mask.nii.gz").header.get_zooms(), (0.8, 1.2, 2), rtol=1e-6)


@pytest.mark.parametrize(("codes", "unset"), [((0, 2), "qform"), ((1, 0), "sform")])
def test_a_form_without_code_that_says_something_else_is_said(tmp_path, codes, unset):
    image = _image(_hu(), qform_code=codes[0], sform_code=codes[1])
    field = {"qform": {"qoffset_x": -17.0}, "sform": {"srow_x": [*image.header["srow_x"][:3], -17.0]}}[unset]
    volume = read_scan(_save(tmp_path / "scan.nii", image, **field))
    assert f"differ by up to 3 mm ({unset}_code is 0)" in volume.warnings[0]
    np.testing.assert_allclose(volume.grid.affine, _affine(), atol=1e-6)


@pytest.mark.parametrize(("unit", "name", "scale"), [(1, "metres", 1e-3), (3, "micrometres", 1e3)])
@pytest.mark.parametrize("codes", [(1, 1), (1, 0), (0, 2), (0, 0)])
def test_metres_and_micrometres_become_millimetres(tmp_path, unit, name, scale, codes):
    affine = np.diag([scale, scale, scale, 1]) @ _affine()
    image = _image(_hu(), affine=affine, qform_code=codes[0], sform_code=codes[1])
    volume = read_scan(_save(tmp_path / "scan.nii", image, xyzt_units=unit))
    assert volume.warnings[-1] == f"the header declares {name}; converted to millimetres"
    np.testing.assert_allclose(sorted(volume.spacing_mm), (0.8, 1.2, 2), rtol=1e-6)
    if any(codes):
        np.testing.assert_allclose(volume.grid.affine, _affine(), atol=1e-4)
    # The mask has the scan's own fields, so that whoever reads both sees them in one place.
    write_mask(tmp_path / "mask.nii.gz", volume.array > 0, volume)
    assert same_grid(read_label_map(tmp_path / "mask.nii.gz"), volume)
    scan, mask = nib.load(tmp_path / "scan.nii"), nib.load(tmp_path / "mask.nii.gz")
    np.testing.assert_array_equal(mask.affine, scan.affine)
    assert mask.header["xyzt_units"] == scan.header["xyzt_units"] == unit


@pytest.mark.parametrize(("unit", "said"), [(1, "metres, which its voxel sizes do not fit"), (12, "names no unit")])
def test_units_that_cannot_be_are_millimetres_and_not_copied(tmp_path, unit, said):
    volume = read_scan(_save(tmp_path / "scan.nii", _image(_hu()), xyzt_units=unit))
    assert said in volume.warnings[0]
    np.testing.assert_allclose(volume.grid.affine, _affine(), atol=1e-6)
    write_mask(tmp_path / "mask.nii.gz", volume.array > 0, volume)
    assert int(nib.load(tmp_path / "mask.nii.gz").header["xyzt_units"]) == unit - unit % 8 + 2


def test_a_trailing_axis_of_one_is_dropped(tmp_path):
    volume = read_scan(_save(tmp_path / "scan.nii", _image(_hu()[..., None])))
    assert volume.grid.shape == SHAPE
    assert "stored with 4 axes" in volume.warnings[0]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"dim": [3, 32767, 32767, 32767, 1, 1, 1, 1]}, "must fit memory_budget_gib=8"),
        ({"dim": [4, 9, 10, 1, 11, 1, 1, 1]}, "three axes"),
        ({"dim": [2, 9, 110, 1, 1, 1, 1, 1]}, "three axes"),
        ({"dim": [3, 9, 110, 1, 1, 1, 1, 1]}, "at least 8 voxels"),
        (
            {"dim": [3, 9, 10, 12, 1, 1, 1, 1]},
            "2160 bytes of voxels are declared. Received: 1980, the file is truncated",
        ),
        ({"pixdim": [1, 0, 1, 1, 0, 0, 0, 0]}, "pixdim"),
        ({"pixdim": [1, np.nan, 1, 1, 0, 0, 0, 0]}, "pixdim"),
        ({"srow_x": 0, "srow_y": 0, "srow_z": 0}, "voxel sizes"),
        ({"srow_x": [np.nan, 0, 0, 0]}, "affine must be finite"),
        ({"srow_x": [1, 0.3, 0, 0], "srow_y": [0, 1, 0, 0], "srow_z": [0, 0, 1, 0]}, "sheared by"),
        ({"sform_code": 0, "quatern_b": 2}, "qform must be a rotation"),
        ({"sform_code": 0, "quatern_b": np.nan}, "qform must be a rotation"),
        ({"sform_code": 0, "pixdim": [0.5, 2, 0.8, 1.2, 0, 0, 0, 0]}, r"qform must be a rotation. Received: qfac 0\.5"),
        ({"sform_code": 5}, "sform_code must be one of 0 to 4"),
        ({"qform_code": -1}, "qform_code must be one of 0 to 4"),
        ({"bitpix": 32}, "bitpix must be that of int16, 16"),
        ({"vox_offset": 352.5}, "at a whole byte"),
        ({"vox_offset": 350}, "after the header"),
        ({"vox_offset": 1e9}, "after the header"),
        ({"vox_offset": 4000}, "0, the file is truncated"),
        ({"scl_slope": -1, "scl_inter": 0}, "scl_slope not below 0"),
        ({"qform_code": 0, "srow_x": [1, 0, 0, 6000], "srow_y": [0, 1, 0, 0], "srow_z": [0, 0, 1, 0]}, "of the origin"),
        ({"qform_code": 0, "srow_x": [500, 0, 0, 0], "srow_y": [0, 1, 0, 0], "srow_z": [0, 0, 1, 0]}, "voxel sizes"),
        ({"datatype": 32}, "real numbers"),
        ({"datatype": 128}, "real numbers"),
        ({"datatype": 9999}, "known shape and data type"),
        ({"vox_offset": 0}, "after the header"),
        ({"vox_offset": np.nan}, "after the header"),
        ({"magic": b"ni1"}, "single NIfTI file"),
        ({"magic": b"xyz"}, "NIfTI-1 or NIfTI-2 file"),
    ],
)
@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz"])
def test_headers_that_are_refused(tmp_path, name, fields, reason):
    path = _save(tmp_path / name, _image(_hu()), **fields)
    with pytest.raises(ScanError, match=rf"^{name}: .*{reason}") as refusal:
        read_scan(path)
    assert "\n" not in str(refusal.value)
    assert "Received: " in str(refusal.value)


def test_files_that_are_no_image(tmp_path):
    for content in (b"", b"\x1f\x8b", b"\x00" * 400, b"just text, and rather more of it" * 20, gzip.compress(b"text")):
        path = tmp_path / "scan.nii.gz"
        path.write_bytes(content)
        with pytest.raises(ScanError, match=r"^scan\.nii\.gz: "):
            read_scan(path)
    with pytest.raises(ScanError, match=r"absent\.nii: a readable file is needed"):
        read_scan(tmp_path / "absent.nii")


def test_series_is_for_dicom_folders(tmp_path):
    path = _save(tmp_path / "scan.nii", _image(_hu()))
    with pytest.raises(ScanError, match=r"series chooses in a DICOM folder\. Received: a file and series='1\.2'"):
        read_scan(path, series="1.2")


def test_every_flipped_bit_of_a_gzip_stream_is_refused_or_harmless(tmp_path):
    content = gzip.compress(_image(_hu()).to_bytes(), mtime=0)
    path = tmp_path / "scan.nii.gz"
    rng = np.random.default_rng(0)
    harmless = []
    for place in [*range(30), *rng.integers(30, len(content), 300), *range(len(content) - 10, len(content))]:
        flipped = bytearray(content)
        flipped[place] ^= 1 << rng.integers(8)
        path.write_bytes(flipped)
        try:
            volume = read_scan(path)
        except ScanError:
            continue
        np.testing.assert_array_equal(volume.as_stored().array, _hu())
        harmless.append(place)
    # Time stamp and system in the gzip header mean nothing, nor do padding bits and codes that are never used.
    assert len(harmless) < 20


def test_every_truncation_is_refused(tmp_path):
    plain = _image(_hu()).to_bytes()
    for content, name in ((plain, "scan.nii"), (gzip.compress(plain), "scan.nii.gz")):
        for length in (1, 100, 400, len(content) // 2, len(content) - 9, len(content) - 1):
            (tmp_path / name).write_bytes(content[:length])
            with pytest.raises(ScanError):
                read_scan(tmp_path / name)


def test_bytes_behind_the_voxels_are_said(tmp_path):
    (tmp_path / "scan.nii").write_bytes(_image(_hu()).to_bytes() + b"1234")
    assert read_scan(tmp_path / "scan.nii").warnings == ("4 bytes follow the voxels and were ignored",)


@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz"])
def test_much_behind_the_voxels_is_not_read_to_its_end(tmp_path, name):
    plain = _image(_hu()).to_bytes()
    path = tmp_path / name
    with gzip.open(path, "wb", compresslevel=1) if name.endswith("gz") else open(path, "wb") as file:
        file.write(plain + bytes(1 << 16))
        assert file.tell()
    assert "65536 bytes follow" in read_scan(path).warnings[0]
    zeros = gzip.compress(bytes(1 << 28), compresslevel=1)
    start = time.monotonic()
    path.write_bytes(gzip.compress(plain) + zeros * 24 if name.endswith("gz") else plain + bytes(1 << 23))
    with pytest.raises(ScanError, match="at most 65536 bytes may follow the 1980 bytes of voxels"):
        read_scan(path)
    assert time.monotonic() - start < 5  # 6 GiB of zeros take minutes


def test_what_is_no_regular_file_is_never_opened(tmp_path):
    os.mkfifo(tmp_path / "scan.nii")
    with pytest.raises(ScanError, match=r"^scan\.nii: a regular file is needed\. Received: a fifo$"):
        read_scan(tmp_path / "scan.nii")
    (tmp_path / "link.nii").symlink_to(tmp_path / "scan.nii")
    with pytest.raises(ScanError, match=r"link\.nii: .* a fifo"):
        read_label_map(tmp_path / "link.nii")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(tmp_path / "s.nii"))  # An absolute path may be too long for a socket.
        with pytest.raises(ScanError, match="a socket"):
            read_scan(tmp_path / "s.nii")
    with pytest.raises(ScanError, match=r"^zero: .* a device"):
        read_scan("/dev/zero")
    with pytest.raises(ScanError, match="a folder"):
        read_label_map(tmp_path)


def test_the_ending_may_be_in_capital_letters(tmp_path):
    path = _save(tmp_path / "scan.nii.gz", _image(_hu())).rename(tmp_path / "UPPER_ct.NII.GZ")
    np.testing.assert_array_equal(read_scan(path).as_stored().array, _hu())


def test_label_maps_keep_to_the_budget_that_they_are_given(tmp_path):
    path = _save(tmp_path / "mask.nii", _image((_hu() > 0).astype(np.uint8)))
    with pytest.raises(ScanError, match="memory_budget_gib=1e-06"):
        read_label_map(path, memory_budget_gib=1e-6)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("codes", [(1, 1), (1, 0), (0, 2), (0, 0), (2, 4)])
def test_a_mask_has_the_grid_of_its_scan_to_the_bit(tmp_path, version, codes):
    image = _image(_hu(), version=version, qform_code=codes[0], sform_code=codes[1], endianness=">")
    image.header.set_xyzt_units("mm", "sec")
    path = _save(tmp_path / "scan.nii.gz", image)
    volume = read_scan(path)
    mask = volume.array > 500

    write_mask(tmp_path / "mask.nii.gz", mask, volume)

    scan, written = nib.load(path), nib.load(tmp_path / "mask.nii.gz")
    assert type(written) is type(scan)
    assert written.get_data_dtype() == np.uint8
    assert written.shape == scan.shape
    np.testing.assert_array_equal(written.affine, scan.affine)
    for form in ("get_qform", "get_sform"):
        (ours, code), (theirs, their_code) = getattr(written, form)(coded=True), getattr(scan, form)(coded=True)
        assert code == their_code
        assert (ours is None) == (theirs is None)
        if ours is not None:
            np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(np.asarray(written.dataobj), _hu() > 500)
    again = read_label_map(tmp_path / "mask.nii.gz")
    assert same_grid(again, volume)
    np.testing.assert_array_equal(again.array, mask)


def test_a_mask_carries_nothing_of_the_patient(tmp_path):
    image = _image(_hu())
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"Secret^Name"))
    path = _save(
        tmp_path / "scan.nii.gz",
        image,
        descrip=b"Secret^Name",
        intent_name=b"Secret",
        aux_file=b"Secret^Name",
        db_name=b"Secret^Name",
    )
    assert gzip.decompress(path.read_bytes()).count(b"Secret") == 5
    volume = read_scan(path)
    write_mask(tmp_path / "mask.nii.gz", volume.array > 0, volume)
    write_probability(tmp_path / "probability.nii.gz", np.full(volume.shape, 0.5), volume)
    for name in ("mask.nii.gz", "probability.nii.gz"):
        content = (tmp_path / name).read_bytes()
        assert b"Secret" not in content
        assert b"Secret" not in gzip.decompress(content)


def test_probabilities_come_back_within_half_a_step(tmp_path):
    hu = _hu()
    volume = volume_from_array(hu, _affine())
    probability = np.random.default_rng(1).random(volume.shape, np.float32)
    probability.flat[:2] = (0, 1)
    write_probability(tmp_path / "p.nii.gz", probability, volume)
    written = nib.load(tmp_path / "p.nii.gz")
    assert written.get_data_dtype() == np.uint8
    back = nib.as_closest_canonical(written).get_fdata()
    assert np.abs(back - probability).max() <= 0.5 / 255 + 1e-6
    np.testing.assert_allclose(back.flat[:2], (0, 1), atol=1e-6)
    for wrong in (np.nan, -0.1, 1.1):
        with pytest.raises(ValueError, match=r"probability_ras must lie in \[0, 1\]"):
            write_probability(tmp_path / "q.nii.gz", np.full(volume.shape, wrong), volume)
    assert not (tmp_path / "q.nii.gz").exists()


def test_refused_masks_leave_no_file_and_the_old_one_in_place(tmp_path, monkeypatch):
    volume = volume_from_array(_hu(), _affine())
    target = tmp_path / "mask.nii.gz"
    write_mask(target, volume.array > 0, volume)
    before = target.read_bytes()
    for wrong in (
        np.full(volume.shape, 0.5),
        np.full(volume.shape, -1),
        np.full(volume.shape, 256),
        np.zeros((2, 2, 2)),
    ):
        with pytest.raises(ValueError, match="Received: "):
            write_mask(target, wrong, volume)
    with pytest.raises(ValueError, match=r"path must end in \.nii\.gz"):
        write_mask(tmp_path / "mask.nii", volume.array > 0, volume)

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        write_mask(target, volume.array > 100, volume)
    assert target.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["mask.nii.gz"]


def test_the_same_mask_is_the_same_file(tmp_path):
    volume = volume_from_array(_hu(), _affine())
    write_mask(tmp_path / "a.nii.gz", volume.array > 0, volume)
    write_mask(tmp_path / "b.nii.gz", volume.array > 0, volume)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


ODD = {
    "big_endian_int16.nii": None,
    "complex64_mri.nii.gz": "real numbers",
    "nifti1_header_without_img.hdr": "single NIfTI file",
    "nifti2_4d.nii.gz": "three axes",
    "no_qform_no_sform.nii.gz": "8-bit picture",
    "rgb_ct_perfusion.nii.gz": "real numbers",
    "standard_4x5x7.nii.gz": "at least 8 voxels",
    "tiny_7x5x3.nii.gz": "at least 8 voxels",
}


@pytest.mark.parametrize("name", ODD)
def test_odd_files_are_read_right_or_refused(shared_data, name):
    path = shared_data / "odd-nifti" / name
    if ODD[name] is None:
        truth = nib.as_closest_canonical(nib.load(path)).get_fdata()
        np.testing.assert_array_equal(read_scan(path, assume_hu=True).array, np.maximum(truth, -1024))
        with pytest.raises(ScanError, match="values must be HU"):  # It is magnetic resonance.
            read_scan(path)
        return
    with pytest.raises(ScanError, match=ODD[name]) as refusal:
        read_scan(path)
    assert str(refusal.value).startswith(f"{name}: ")
    assert "\n" not in str(refusal.value)


def test_every_odd_file_is_in_the_table_or_no_image(shared_data):
    for path in (shared_data / "odd-nifti").iterdir():
        if path.name not in ODD:
            with pytest.raises(ScanError, match="NIfTI-1 or NIfTI-2 file"):
                read_scan(path)


def test_verse_scan_and_mask_share_a_grid_over_different_forms(shared_data, tmp_path):
    folder = shared_data / "verse014"
    volume = read_scan(folder / "sub-verse014_ct.nii.gz")
    labels = read_label_map(folder / "sub-verse014_seg-vert_msk.nii.gz")
    assert (volume.grid.qform_code, volume.grid.sform_code, labels.grid.sform_code) == (1, 0, 2)
    assert volume.grid.orientation == "PIR"
    assert same_grid(volume, labels)
    assert volume.shape == (40, 186, 186)
    assert volume.array.min() == -1024
    assert "lowest -1291" in volume.warnings[0]
    assert np.unique(labels.array).tolist() == [0, 20, 21, 22, 23, 24]
    assert volume.array[labels.array > 0].mean() > volume.array[labels.array == 0].mean() + 200

    write_mask(tmp_path / "mask.nii.gz", labels.array, volume)
    ours, theirs = nib.load(tmp_path / "mask.nii.gz"), nib.load(folder / "sub-verse014_seg-vert_msk.nii.gz")
    np.testing.assert_array_equal(ours.get_fdata(), theirs.get_fdata())
    np.testing.assert_array_equal(ours.affine, nib.load(folder / "sub-verse014_ct.nii.gz").affine)


def test_labels_stored_as_float64_are_the_same_labels(shared_data):
    folder = shared_data / "verse004-mask"
    a = read_label_map(folder / "sub-verse004_seg-vert_msk.float64.nii.gz")
    b = read_label_map(folder / "sub-verse004_seg-vert_msk.uint8.nii.gz")
    np.testing.assert_array_equal(a.array, b.array)
    assert same_grid(a, b)
