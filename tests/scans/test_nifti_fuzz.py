"""Damaged NIfTI files of every kind: a volume on a sane grid, or a ScanError; never another exception."""

import gzip
import time

import nibabel as nib
import numpy as np
import pytest

from spine_tf.scans import ScanError, read_label_map, read_scan, write_mask

SPECIAL = (0, -1, 1, 2, 3, 7, 255, 352.5, 1e-30, 1e30, -32768, 32767, np.nan, np.inf, -np.inf)


def _content(rng) -> bytes:
    """A small scan, with both forms or one, of one of the usual data types."""
    hu = rng.integers(-1000, 1500, (9, 10, 11)).astype(rng.choice(["<i2", ">i2", "<f4"]))
    cls = (nib.Nifti1Image, nib.Nifti2Image)[rng.integers(2)]
    image = cls(hu, None, cls.header_class(endianness=hu.dtype.byteorder.replace("=", "<")))
    affine = np.diag([-0.8, 0.8, 2.0, 1.0])
    affine[:3, 3] = (20.0, -31.0, 500.0)
    for name, code in zip(("set_qform", "set_sform"), ((1, 1), (1, 0), (0, 2))[rng.integers(3)], strict=True):
        getattr(image.header, name)(affine, code)
    return image.to_bytes()


def _flip_bits(content, rng):
    damaged = bytearray(content)
    for place in rng.integers(0, min(len(damaged), 600), rng.integers(1, 4)):
        damaged[place] ^= 1 << rng.integers(8)
    return bytes(damaged)


def _set_field(content, rng):
    cls = (
        nib.Nifti1Header
        if len(content) and content[0:4] in (b"\x5c\x01\x00\x00", b"\x00\x00\x01\x5c")
        else nib.Nifti2Header
    )
    size = cls.sizeof_hdr
    header = cls(content[:size], check=False)
    name = rng.choice([name for name in header if header[name].dtype.kind in "iuf"])
    with np.errstate(all="ignore"):
        values = np.atleast_1d(header.structarr[name])
        values[rng.integers(values.size)] = np.array(rng.choice(SPECIAL)).astype(values.dtype)
        header.structarr[name] = values.reshape(header.structarr[name].shape)
    return header.binaryblock + content[size:]


def _cut(content, rng):
    return content[: rng.integers(len(content))]


def _outcome(reader, path):
    try:
        return reader(path), ""
    except ScanError as error:
        return None, str(error)


def _fuzz(folder, seconds, seed):
    rng = np.random.default_rng(seed)
    read = refused = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        content = (_flip_bits, _set_field, _cut)[rng.integers(3)](_content(rng), rng)
        zipped = rng.random() < 0.3
        if zipped:
            content = gzip.compress(content, 1)
            content = _flip_bits(content, rng) if rng.random() < 0.3 else content
        path = folder / ("scan.nii.gz" if zipped else "scan.nii")
        path.write_bytes(content)
        reader = (read_scan, lambda path: read_scan(path, assume_hu=True), read_label_map)[rng.integers(3)]
        volume, refusal = _outcome(reader, path)
        if refusal:
            assert refusal.startswith(f"{path.name}: ")
            assert "\n" not in refusal
            refused += 1
            continue
        read += 1
        assert volume.array.dtype == np.int16
        assert all(0.05 <= size <= 20 for size in volume.spacing_mm)
        assert np.abs(volume.affine).max() <= 5000
        write_mask(folder / "mask.nii.gz", volume.array > 0, volume)
        header = nib.load(folder / "mask.nii.gz").header
        assert np.isfinite(header.get_best_affine()).all()
        assert {int(header["qform_code"]), int(header["sform_code"])} <= {*range(5)}
    return read, refused


def test_ten_seconds_of_damaged_files(tmp_path):
    read, refused = _fuzz(tmp_path, 10, seed=0)
    assert min(read, refused) > 20


@pytest.mark.slow
def test_two_minutes_of_damaged_files(tmp_path):
    read, refused = _fuzz(tmp_path, 120, seed=1)
    assert min(read, refused) > 1000


GEOMETRY = [*range(40, 56), *range(76, 108), 123, *range(252, 328)]
"""Bytes of dim, pixdim, xyzt_units, and both forms with their codes."""


@pytest.mark.parametrize(
    "places", [GEOMETRY, pytest.param(range(348), marks=pytest.mark.slow)], ids=["geometry", "all"]
)
def test_a_flipped_bit_of_the_geometry_is_seen_or_moves_nothing_far(places, tmp_path):
    # nibabel writes the grid into both forms, even where it sets the code of one alone.
    image = nib.Nifti1Image(np.random.default_rng(0).integers(-1000, 1500, (9, 10, 11)).astype(np.int16), None)
    image.header.set_sform(np.diag([0.8, 0.8, 2.0, 1.0]) + np.eye(4, k=3) * 31, 2)
    image.header.set_qform(image.header.get_sform(), 0)
    content, path = image.to_bytes(), tmp_path / "scan.nii"
    path.write_bytes(content)
    right = read_scan(path)
    assert right.warnings == ()
    silent = 0
    for bit in (8 * byte + bit for byte in places for bit in range(8)):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            volume = read_scan(path)
        except ScanError:
            continue
        moved = volume.shape != right.shape or np.abs(volume.affine - right.affine).max() > 0.01
        silent += moved and not volume.warnings
    assert silent == 0
