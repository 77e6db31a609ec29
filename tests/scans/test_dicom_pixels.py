"""Slices whose stored numbers a test writes; compressed ones are whole, cut, or of another size than they say."""

import struct

import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate, generate_frames

from spine_tf.scans import ScanError
from spine_tf.scans.dicom_header import read_header
from spine_tf.scans.dicom_pixels import read_pixels
from tests.support.dicom_series import change_series, even_positions, some_hu, write_series


def one_slice(folder, change=None, compress=""):
    """A file of 10 x 9 pixels, and the HU (rows, columns) that were written."""
    hu = some_hu()[:, :, :1]
    write_series(folder, hu, even_positions(1), compress=compress)
    if change is not None:
        change_series(folder, lambda number, dataset: change(dataset))
    return next(folder.iterdir()), hu[:, :, 0].T


@pytest.mark.parametrize(
    ("bits", "signed", "word", "value"),
    [
        ((16, 16), 1, 0xFFFF, -1),
        ((16, 16), 0, 0xFFFF, 65535),
        ((16, 12), 0, 0xF123, 0x123),  # an old overlay in the four highest bits
        ((16, 12), 1, 0x0FFF, -1),
        ((8, 8), 0, 0x80, 128),
        ((8, 8), 1, 0x80, -128),
        ((32, 32), 1, 0xFFFFFFFE, -2),
    ],
)
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_numbers_are_slope_and_intercept_of_the_stored_bits(tmp_path, bits, signed, word, value, photometric):
    def change(dataset):
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = *bits, bits[1] - 1
        dataset.PixelRepresentation, dataset.PhotometricInterpretation = signed, photometric
        dataset.RescaleSlope, dataset.RescaleIntercept = "0.5", "-10"
        raw = 90 * word.to_bytes(bits[0] // 8, "little")
        dataset["PixelData"].VR, dataset.PixelData = "OW", raw

    item = read_header(one_slice(tmp_path / "one", change)[0])
    np.testing.assert_array_equal(read_pixels(item, "scan"), np.full((9, 10), value * 0.5 - 10))


def test_big_endian_pixels(tmp_path):
    path, hu = one_slice(tmp_path / "one")
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRBigEndian
    dataset.PixelData = np.frombuffer(dataset.PixelData, "<i2").astype(">i2").tobytes()
    pydicom.dcmwrite(path, dataset, implicit_vr=False, little_endian=False, force_encoding=True)
    np.testing.assert_array_equal(read_pixels(read_header(path), "scan"), hu)


def _to_rle(dataset) -> None:
    dataset.compress(pydicom.uid.RLELossless, generate_instance_uid=False)


@pytest.mark.parametrize("compress", ["JPEG2000", "JPEG", "RLE"])
def test_compressed_pixels(tmp_path, compress):
    change, compress = (_to_rle, "") if compress == "RLE" else (None, compress)
    path, hu = one_slice(tmp_path / "one", change, compress)
    assert read_header(path).elements.encapsulated
    np.testing.assert_array_equal(read_pixels(read_header(path), "scan"), hu)


def _cut(stream: bytes) -> bytes:
    return stream[: len(stream) // 2]


def _other_size(stream: bytes) -> bytes:
    if stream[:2] == b"\xff\xd8":
        return stream.replace(struct.pack(">HH", 9, 10), struct.pack(">HH", 9, 40000), 1)
    return stream.replace(struct.pack(">II", 10, 9), struct.pack(">II", 40000, 9), 1)


@pytest.mark.parametrize(
    ("compress", "harm", "reason"),
    [
        ("JPEG2000", _cut, "is cut: it has no end"),
        ("JPEG", _cut, "is cut: it has no end"),
        ("JPEG2000", _other_size, "of 40000 x 9 pixels, not 10 x 9"),
        ("JPEG", _other_size, "of 40000 x 9 pixels, not 10 x 9"),
        ("JPEG2000", lambda stream: b"GIF89a" + stream, "is no JPEG, JPEG-LS or JPEG 2000 image"),
        ("JPEG2000", lambda stream: stream[:40] + b"\0\7" + stream[42:], "has 7 colours, not 1"),
        ("JPEG2000", lambda stream: stream[:24] + bytes(8) + stream[32:], "tiles of no size"),
        ("JPEG", lambda stream: stream[:2] + b"\xff\xd9", "of 0 x 0 pixels, not 10 x 9"),
    ],
)
def test_compressed_pixels_that_do_not_agree_are_refused(tmp_path, compress, harm, reason):
    def change(dataset):
        stream = next(generate_frames(dataset.PixelData, number_of_frames=1))
        dataset.PixelData = encapsulate([harm(stream)])

    path, _ = one_slice(tmp_path / "one", change, compress)
    with pytest.raises(ScanError, match=rf"^scan: every slice .* Received: {path.name}, .*{reason}") as refusal:
        read_pixels(read_header(path), "scan")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("kept", [0.5, 0.9])
def test_a_cut_rle_image_is_refused(tmp_path, kept):
    def change(dataset):
        _to_rle(dataset)
        stream = next(generate_frames(dataset.PixelData, number_of_frames=1))
        dataset.PixelData = encapsulate([stream[: int(len(stream) * kept)]])

    path, _ = one_slice(tmp_path / "one", change)
    with pytest.raises(ScanError, match="every slice of the series must be readable"):
        read_pixels(read_header(path), "scan")
