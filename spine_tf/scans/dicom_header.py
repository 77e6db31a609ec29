"""Reads the header of one DICOM file: a CT slice, something else, or a damaged slice.

Nothing is guessed. A slice must say where it lies and how its numbers become HU, in values that are possible, and must
hold as many pixels as it declares. Nothing about the patient is kept but a digest, by which slices are told apart.

Source: DICOM PS3.3, C.7.6.2 (image plane), C.7.6.3 (image pixel), C.8.2.1 (CT image), C.12.1 (SOP common).
"""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from spine_tf.scans.checks import MAX_SHEAR, SPACING_RANGE_MM
from spine_tf.scans.dicom_elements import Elements, read_elements

MAX_POSITION_MM = 1e4
"""A slice lies within 10 m of the origin; tables are two metres long."""
NATIVE_SYNTAXES = ("", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2")
"""Transfer syntaxes of uncompressed pixels; where a file names none, they are."""
_CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
_TAGS = {
    "MediaStorageSOPClassUID": 0x00020002,
    "ImageType": 0x00080008,
    "SOPClassUID": 0x00080016,
    "SOPInstanceUID": 0x00080018,
    "Modality": 0x00080060,
    "PatientName": 0x00100010,
    "PatientID": 0x00100020,
    "PatientBirthDate": 0x00100030,
    "ConvolutionKernel": 0x00181210,
    "StudyInstanceUID": 0x0020000D,
    "SeriesInstanceUID": 0x0020000E,
    "ImagePositionPatient": 0x00200032,
    "ImageOrientationPatient": 0x00200037,
    "FrameOfReferenceUID": 0x00200052,
    "SamplesPerPixel": 0x00280002,
    "PhotometricInterpretation": 0x00280004,
    "NumberOfFrames": 0x00280008,
    "Rows": 0x00280010,
    "Columns": 0x00280011,
    "PixelSpacing": 0x00280030,
    "BitsAllocated": 0x00280100,
    "BitsStored": 0x00280101,
    "HighBit": 0x00280102,
    "PixelRepresentation": 0x00280103,
    "RescaleIntercept": 0x00281052,
    "RescaleSlope": 0x00281053,
}
ONE_EACH = ("PatientID", "PatientName", "PatientBirthDate", "StudyInstanceUID", "FrameOfReferenceUID")
"""What all slices of a series have in common, where they have it."""


@dataclass(frozen=True, eq=False)
class Slice:
    """One CT slice, as far as its header tells: nothing about the patient is kept but digests."""

    path: Path
    series: str
    """SeriesInstanceUID; may be empty."""
    instance: str
    size: tuple[int, int]
    """(columns, rows)."""
    position_mm: np.ndarray
    """(3,) centre of the first pixel, in DICOM's LPS axes (ImagePositionPatient)."""
    directions: np.ndarray
    """(2, 3) unit vectors in LPS along a row and along a column (ImageOrientationPatient)."""
    spacing_mm: np.ndarray
    """(2,) distance of columns and of rows."""
    slope: float
    intercept: float | None
    """What makes HU of stored numbers; None where the file does not say it."""
    bits: tuple[int, int]
    """BitsAllocated and BitsStored; a number's bits are the lowest ones."""
    signed: bool
    image_type: str
    """Upper case, parts joined by backslashes, e.g. "ORIGINAL\\\\PRIMARY\\\\AXIAL"."""
    kernel: str
    owner: tuple[bytes, ...]
    """Digests of ONE_EACH; empty where the file does not say it."""
    elements: Elements
    """Where the file has its pixels."""


@dataclass(frozen=True)
class Damaged:
    """A file that may be a CT slice and cannot be read."""

    path: Path
    reason: str
    series: str | None = None
    """SeriesInstanceUID; None where the file is cut before it."""


def read_header(path: Path) -> Slice | Damaged | str:
    """Read the header of one file; no pixels, and nothing that GDCM would have to parse.

    Args:
        path: a regular file of any kind.

    Returns:
        A slice; or a file that is, or may be, a slice and is damaged; or in a few words what else it is.

    Example:
        >>> _ = Path("notes.txt").write_text("no image")
        >>> read_header(Path("notes.txt"))
        'no readable image'
        >>> _ = Path("slice").write_bytes(bytes(100))
        >>> read_header(Path("slice")).reason
        'no DICOM file'
    """
    try:
        elements = read_elements(path, _TAGS.values())
    except OSError as error:
        return Damaged(path, f"cannot be read ({error.strerror or error})")
    values = {name: elements.values[tag] for name, tag in _TAGS.items() if tag in elements.values}
    texts = {name: value.decode("latin-1").strip(" \0") for name, value in values.items() if value.strip(b" \0")}
    if not elements.is_dicom:
        return Damaged(path, elements.damage) if _may_be_slice(path) else "no readable image"
    if not elements.damage and not elements.pixels:
        elements.damage = "there are no PixelData"
    other = _something_else(texts, elements)
    if other:
        return other
    series = texts.get("SeriesInstanceUID", "") if "SeriesInstanceUID" in values else None
    if elements.damage:
        return Damaged(path, elements.damage, series)
    try:
        return _slice(path, texts, elements)
    except ValueError as error:
        return Damaged(path, "".join(c if c.isprintable() else "?" for c in str(error)[:200]), series)


def _may_be_slice(path: Path) -> bool:
    """Whether a file that is no DICOM is named like a slice, or has nothing in it but zeros, as torn files do."""
    if path.suffix.lower() in (".dcm", ".ima"):
        return True
    with open(path, "rb") as file:
        return not file.read(1 << 16).strip(b"\0")


def _something_else(texts: dict[str, str], elements: Elements) -> str:
    """Say what a file is that is no slice of a CT; empty if it is one, or if a damaged file does not tell."""
    modality = texts.get("Modality", "")
    storage = texts.get("SOPClassUID") or texts.get("MediaStorageSOPClassUID") or _CT_IMAGE_STORAGE
    if modality != "CT" and (modality or not elements.damage or storage != _CT_IMAGE_STORAGE):
        return f"modality {modality or 'unknown'}"
    if "LOCALIZER" in texts.get("ImageType", "").upper():
        return "localizer"
    if storage != _CT_IMAGE_STORAGE and not (elements.pixels and "ImagePositionPatient" in texts):
        return "CT object that is no slice"
    if elements.damage:
        return ""
    colours = texts.get("PhotometricInterpretation", "MONOCHROME2")
    if _integer(elements, "SamplesPerPixel", 1) != 1 or not colours.startswith("MONOCHROME"):
        return "colour picture"
    if texts.get("NumberOfFrames", "1").strip() not in ("0", "1"):
        return "multi-frame CT (export it as single slices)"
    return ""


def _slice(path: Path, texts: dict[str, str], elements: Elements) -> Slice:
    """The slice that a whole file holds; ValueError says what is not possible in it."""
    columns, rows = (_integer(elements, name, 0) for name in ("Columns", "Rows"))
    allocated = _integer(elements, "BitsAllocated", 0)
    stored = _integer(elements, "BitsStored", allocated)
    if min(columns, rows) < 1:
        raise ValueError(f"{columns} columns and {rows} rows")
    high = _integer(elements, "HighBit", stored - 1)
    if allocated not in (8, 16, 32) or not 0 < stored <= allocated or high != stored - 1:
        raise ValueError(f"BitsAllocated {allocated}, BitsStored {stored} and HighBit {high} do not fit each other")
    signed = _integer(elements, "PixelRepresentation", 0)
    if signed not in (0, 1):
        raise ValueError(f"PixelRepresentation {signed} is neither 0 nor 1")
    position = _numbers(texts, "ImagePositionPatient", 3)
    directions = _numbers(texts, "ImageOrientationPatient", 6).reshape(2, 3)
    spacing = _numbers(texts, "PixelSpacing", 2)
    intercept = _numbers(texts, "RescaleIntercept", 1)[0] if "RescaleIntercept" in texts else None
    slope = _numbers(texts, "RescaleSlope", 1)[0] if "RescaleSlope" in texts else 1.0
    if np.abs(position).max() > MAX_POSITION_MM:
        raise ValueError(f"ImagePositionPatient {texts['ImagePositionPatient']} is more than 10 m away")
    if np.abs(directions @ directions.T - np.eye(2)).max() > 2 * MAX_SHEAR:
        raise ValueError(
            f"ImageOrientationPatient {texts['ImageOrientationPatient']} is not two unit vectors at right angles"
        )
    low, top = SPACING_RANGE_MM
    if not ((spacing >= low) & (spacing <= top)).all():
        raise ValueError(f"PixelSpacing {texts['PixelSpacing']} is not in {low:g} to {top:g} mm")
    if slope == 0:
        raise ValueError("RescaleSlope is 0")
    _check_pixels(elements, columns * rows * allocated // 8)
    return Slice(
        path,
        texts.get("SeriesInstanceUID", ""),
        texts.get("SOPInstanceUID", ""),
        (columns, rows),
        position,
        directions,
        # PixelSpacing gives the distance of rows first.
        spacing[::-1],
        slope,
        intercept,
        (allocated, stored),
        signed == 1,
        texts.get("ImageType", "").upper(),
        texts.get("ConvolutionKernel", ""),
        tuple(sha256(texts[name].encode()).digest() if name in texts else b"" for name in ONE_EACH),
        elements,
    )


def _check_pixels(elements: Elements, expected: int) -> None:
    """ValueError unless PixelData has the bytes of one image; of a compressed one its decoder tells the rest."""
    if elements.encapsulated != (elements.transfer_syntax not in NATIVE_SYNTAXES):
        raise ValueError(f"PixelData do not fit the transfer syntax {elements.transfer_syntax}")
    if elements.encapsulated:
        if len(elements.pixels) < 2:
            raise ValueError("there is no compressed image in PixelData")
        return
    length = elements.pixels[0][1] if elements.pixels else 0
    # An odd number of bytes is made even by one more.
    if length not in (expected, expected + expected % 2):
        raise ValueError(f"PixelData have {length} bytes, {expected} are expected")


def _integer(elements: Elements, name: str, default: int) -> int:
    """An unsigned short (US); the default where the file has none, -1 where it is no such number."""
    value = elements.values.get(_TAGS[name], b"")
    if not value:
        return default
    return int.from_bytes(value, "big" if elements.big_endian else "little") if len(value) == 2 else -1


def _numbers(texts: dict[str, str], name: str, count: int) -> np.ndarray:
    """Decimal strings (DS) as float64; ValueError unless there are as many, all finite."""
    try:
        values = np.array([float(value) for value in texts[name].split("\\")])
    except (KeyError, ValueError):
        values = np.array([])
    if values.size != count or not np.isfinite(values).all():
        raise ValueError(f"{name} must be {count} numbers, not {texts.get(name, 'missing')}")
    return values
