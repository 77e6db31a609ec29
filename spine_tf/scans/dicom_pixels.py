"""Reads the pixels of one CT slice as HU.

Uncompressed pixels are read here. Compressed ones are decoded by GDCM (in SimpleITK), from a file of our own that has
nothing in it but the image: its parser never sees what a stranger wrote. Before that the image's own header must agree
with Rows and Columns, and the image must have its end, because decoders fill up with zeros what is cut.

PhotometricInterpretation says how a picture is shown, not what its numbers mean: HU are the same for MONOCHROME1.

Source: DICOM PS3.5, section 8 and annexes A and G (RLE); ITU-T T.81 and T.87 (JPEG, JPEG-LS), T.800 (JPEG 2000).
"""

import struct
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from spine_tf.scans.checks import refuse
from spine_tf.scans.dicom_elements import read_pixel_bytes
from spine_tf.scans.dicom_header import Slice

MAX_TILES = 4096
"""Tiles of a JPEG 2000 image; each costs memory, and encoders of CT make one."""
_RLE = "1.2.840.10008.1.2.5"
_FRAME_HEADERS = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7}
"""Second bytes of JPEG's markers SOF0 to SOF15, and of SOF55 (JPEG-LS)."""


def read_pixels(item: Slice, source: str) -> np.ndarray:
    """Read a slice as HU, or as stored where it does not say how numbers become HU.

    Args:
        item: from `read_header`.
        source: the scan's name, for messages.

    Returns:
        (rows, columns) float64, not rounded.

    Raises:
        ScanError: the file cannot be read or decoded, or its pixels are not those that its header declares.
    """
    try:
        pieces = read_pixel_bytes(item.path, item.elements)
        stored = _decoded(b"".join(pieces), item) if item.elements.encapsulated else _native(pieces[0], item)
    except (OSError, ValueError) as error:
        expected = "every slice of the series must be readable"
        raise refuse(source, expected, f"{item.path.name}, {error}") from error
    return stored * item.slope + (item.intercept or 0.0)


def _native(raw: bytes, item: Slice) -> np.ndarray:
    """Uncompressed pixels (rows, columns), without the bits that are not theirs (old overlays lie there)."""
    allocated, stored = item.bits
    columns, rows = item.size
    order, kind = ">" if item.elements.big_endian else "<", "i" if item.signed else "u"
    pixels = np.frombuffer(raw, f"{order}u{allocated // 8}", rows * columns).reshape(rows, columns)
    # Up to the top of the word, so that what lies above goes, then down with the sign.
    return (pixels << (allocated - stored)).astype(f"{kind}{allocated // 8}") >> (allocated - stored)


def _decoded(stream: bytes, item: Slice) -> np.ndarray:
    """Pixels (rows, columns) of a compressed image."""
    if item.elements.transfer_syntax != _RLE:
        _check_stream(stream, item)
    with tempfile.TemporaryDirectory(prefix="spine_tf_") as folder, quiet():
        path = Path(folder, "slice.dcm")
        _write_clean_file(path, stream, item)
        reader = sitk.ImageFileReader()
        reader.SetImageIO("GDCMImageIO")
        reader.SetFileName(str(path))
        try:
            image = reader.Execute()
        except RuntimeError:
            raise ValueError("its compressed pixels cannot be decoded") from None
    pixels = sitk.GetArrayFromImage(image)
    if pixels.size != item.size[0] * item.size[1]:
        raise ValueError(f"its compressed image has {pixels.size} pixels, not {item.size[0]} x {item.size[1]}")
    return pixels.reshape(item.size[::-1])


def _check_stream(stream: bytes, item: Slice) -> None:
    """ValueError unless a JPEG, JPEG-LS or JPEG 2000 stream has the slice's size and its own end."""
    if stream[:4] == b"\xff\x4f\xff\x51":
        size = _jpeg_2000_size(stream)
    elif stream[:2] == b"\xff\xd8":
        size = _jpeg_size(stream)
    else:
        raise ValueError("PixelData is no JPEG, JPEG-LS or JPEG 2000 image")
    if size != item.size:
        raise ValueError(
            f"its compressed image is of {size[0]} x {size[1]} pixels, not {item.size[0]} x {item.size[1]}"
        )
    if not stream.rstrip(b"\0").endswith(b"\xff\xd9"):
        raise ValueError("its compressed image is cut: it has no end")


def _jpeg_size(stream: bytes) -> tuple[int, int]:
    """(columns, rows) of the first frame header; (0, 0) where there is none."""
    position = 2
    while position + 9 <= len(stream) and stream[position] == 0xFF:
        if stream[position + 1] in _FRAME_HEADERS:
            rows, columns = struct.unpack(">HH", stream[position + 5 : position + 9])
            return columns, rows
        position += 2 + int.from_bytes(stream[position + 2 : position + 4], "big")
    return 0, 0


def _jpeg_2000_size(stream: bytes) -> tuple[int, int]:
    """(columns, rows) of the SIZ marker; (0, 0) where it is cut. ValueError for too many tiles or colours."""
    if len(stream) < 42:
        return 0, 0
    right, bottom, left, top, tile_width, tile_height, tile_left, tile_top, colours = struct.unpack(
        ">8IH", stream[8:42]
    )
    if colours != 1:
        raise ValueError(f"its compressed image has {colours} colours, not 1")
    if min(tile_width, tile_height) < 1:
        raise ValueError("its compressed image has tiles of no size")
    if (-(-(right - tile_left) // tile_width)) * (-(-(bottom - tile_top) // tile_height)) > MAX_TILES:
        raise ValueError(f"its compressed image has more than {MAX_TILES} tiles")
    return right - left, bottom - top


def _write_clean_file(path: Path, stream: bytes, item: Slice) -> None:
    """Write a DICOM file of this image and what is needed to decode it, without rescaling."""
    # Imported here: only compressed slices need it.
    import pydicom
    from pydicom.encaps import encapsulate

    file = pydicom.Dataset()
    file.file_meta = pydicom.dataset.FileMetaDataset()
    file.file_meta.TransferSyntaxUID = item.elements.transfer_syntax
    file.SOPClassUID = pydicom.uid.SecondaryCaptureImageStorage
    file.SOPInstanceUID = pydicom.uid.generate_uid()
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
    file.Columns, file.Rows = item.size
    file.BitsAllocated, file.BitsStored = item.bits
    file.HighBit = file.BitsStored - 1
    file.PixelRepresentation = int(item.signed)
    file.PixelData = encapsulate([stream])
    file["PixelData"].VR = "OB"
    file.save_as(path, enforce_file_format=True)


@contextmanager
def quiet():
    """Silence ITK, which writes its notes on odd tags to the terminal from C++."""
    shown = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(shown)
