"""Reads the data elements of one DICOM file within bounds, before anything else trusts its lengths.

Libraries that read DICOM trust declared lengths and nesting: a dozen bytes can make them touch gigabytes, and a few
thousand nested sequences end the process. Here every element must lie inside the file, nesting and number of elements
are bounded, nothing recurses, and only short values that are asked for are read. What follows PixelData is walked, too.

Explicit and implicit VR, both byte orders and the deflated transfer syntax are known; files without the 128 bytes of
preamble are read as well.

Source: DICOM PS3.5, sections 7.1 (data elements), 7.5 (nesting), A.4 (encapsulated pixels); PS3.10, section 7.1.
"""

import io
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

MAX_DEPTH = 32
"""Sequences and items inside each other; a CT slice has four or five."""
MAX_ELEMENTS = 100_000
"""Elements of one file; a CT slice has a few hundred."""
MAX_VALUE_BYTES = 4096
"""Longest value that is read: all that are asked for are a name, a UID or some numbers."""
MAX_INFLATED_BYTES = 1 << 28
"""A deflated file (transfer syntax 1.2.840.10008.1.2.1.99) may hold 256 MiB: a slice of 4096 x 4096 voxels has 32."""

PIXEL_DATA = 0x7FE00010
_TRANSFER_SYNTAX = 0x00020010
_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_DEFLATED = "1.2.840.10008.1.2.1.99"
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_UNDEFINED = 0xFFFFFFFF
_LONG_VRS = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
_SHORT_VRS = {
    *(b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS"),
    *(b"LO", b"LT", b"PN", b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US"),
}


class _Damage(ValueError):
    """Why the walk ends here."""


@dataclass
class Elements:
    """What the walk through a file found, up to its end or to where the file is damaged."""

    values: dict[int, bytes] = field(default_factory=dict)
    """Values by tag, e.g. 0x00080060; of the top level and the meta header alone, as stored."""
    transfer_syntax: str = ""
    """TransferSyntaxUID; empty where the file does not name one."""
    big_endian: bool = False
    pixels: list[tuple[int, int]] = field(default_factory=list)
    """(offset, length) of native PixelData; of an encapsulated one all items, the offset table first."""
    encapsulated: bool = False
    is_dicom: bool = False
    """Whether the file begins as DICOM files do."""
    damage: str = ""
    """Why the walk ended early; empty where the whole file was walked."""


def read_elements(path: Path, wanted: Iterable[int]) -> Elements:
    """Read wanted top-level values of a DICOM file and find its pixels; whatever the bytes are, it returns.

    Args:
        path: a regular file.
        wanted: tags, e.g. 0x00080060 for (0008,0060).

    Returns:
        What was found. `damage` says what is wrong with a file that is no whole DICOM file.

    Raises:
        OSError: the file cannot be opened or read.

    Example:
        >>> head = bytes(128) + b"DICM"
        >>> modality = bytes.fromhex("08006000") + b"CS" + b"\\x02\\x00" + b"CT"
        >>> _ = Path("slice").write_bytes(head + modality)
        >>> read_elements(Path("slice"), [0x00080060]).values[0x00080060]
        b'CT'
        >>> _ = Path("slice").write_bytes(head + modality[:-1])
        >>> read_elements(Path("slice"), [0x00080060]).damage
        'element (0008,0060) claims 2 bytes, 1 are there'
    """
    elements = Elements()
    with open(path, "rb", buffering=1 << 16) as file:
        try:
            _walk_file(file, frozenset(wanted), elements)
        except _Damage as damage:
            elements.damage = str(damage)
    return elements


def read_pixel_bytes(path: Path, elements: Elements) -> list[bytes]:
    """Read PixelData as `read_elements` found it: one piece if native, else the items after the offset table.

    Raises:
        OSError, ValueError: the file cannot be read, or is another than it was.
    """
    pieces = []
    with open(path, "rb") as file:
        _to_data_set(file, frozenset(), Elements())
        body = _inflated(file) if elements.transfer_syntax == _DEFLATED else file
        for offset, length in elements.pixels[1 if elements.encapsulated else 0 :]:
            body.seek(offset)
            pieces.append(body.read(length))
            if len(pieces[-1]) < length:
                raise OSError(f"{path.name} has become shorter")
    return pieces


def _walk_file(file: BinaryIO, wanted: frozenset[int], elements: Elements) -> None:
    """Walk the meta header, then the data set in the transfer syntax that it names."""
    _to_data_set(file, wanted, elements)
    body = _inflated(file) if elements.transfer_syntax == _DEFLATED else file
    start = _peek(body, 8)
    # Group 0008 comes first: read in the other byte order it is 0800.
    elements.big_endian = elements.transfer_syntax == _BIG_ENDIAN or start[:2] in (b"\0\x08", b"\0\x10")
    # What the bytes are counts more than the transfer syntax: scanners are known to name a wrong one.
    explicit = start[4:6] in _LONG_VRS | _SHORT_VRS
    elements.is_dicom = elements.is_dicom or (explicit and start[:2] in (b"\x08\0", b"\0\x08"))
    if not elements.is_dicom and start[:4] not in (b"\x08\0\0\0", b"\x08\0\x05\0", b"\x08\0\x08\0", b"\x08\0\x16\0"):
        raise _Damage("no DICOM file")
    elements.is_dicom = True
    _walk(body, explicit, wanted, elements)


def _to_data_set(file: BinaryIO, wanted: frozenset[int], elements: Elements) -> None:
    """Read the meta header (group 0002, always explicit little endian) and stop behind it."""
    head = _peek(file, 132)
    elements.is_dicom = head[128:] == b"DICM"
    if elements.is_dicom:
        file.seek(132)
    while (head := _peek(file, 12))[:2] == b"\x02\0":
        elements.is_dicom = True
        tag, _, length, size = _header(head, True, "<")
        file.seek(file.tell() + size)
        value = _value(file, tag, length, _size(file))
        if tag in wanted:
            elements.values[tag] = value
        if tag == _TRANSFER_SYNTAX:
            elements.transfer_syntax = value.decode("ascii", "replace").strip(" \0")


def _walk(file: BinaryIO, explicit: bool, wanted: frozenset[int], elements: Elements) -> None:
    """Walk data elements from here to the end of the file; open sequences and items lie on a stack of ours."""
    end, order = _size(file), ">" if elements.big_endian else "<"
    opened: list[tuple[int, bool]] = []  # (tag of the sequence or item, whether VRs are explicit in it)
    for _ in range(MAX_ELEMENTS):
        position = file.tell()
        if position == end and not opened:
            return
        head = _peek(file, 12)
        # Some writers fill a file's last block with zeros.
        if not opened and not head.strip(b"\0") and not _peek(file, MAX_VALUE_BYTES).strip(b"\0"):
            if end - position <= MAX_VALUE_BYTES:
                return
            raise _Damage(f"more than {MAX_VALUE_BYTES} bytes at its end are zero")
        inside, explicit_here = opened[-1] if opened else (0, explicit)
        tag, vr, length, size = _header(head, explicit_here, order)
        file.seek(position + size)
        if tag in (_ITEM_END, _SEQUENCE_END):
            if not opened or (tag == _ITEM_END) != (inside == _ITEM):
                raise _Damage("a sequence or an item ends that was never begun")
            opened.pop()
        elif length == _UNDEFINED:
            if len(opened) == MAX_DEPTH:
                raise _Damage(f"sequences are nested more than {MAX_DEPTH} deep")
            if tag == PIXEL_DATA and not opened:
                _once(tag, bool(elements.pixels) or elements.encapsulated)
                elements.encapsulated = True
            opened.append((tag, explicit_here and vr != b"UN"))
        elif length > end - position - size:
            raise _Damage(f"element {_name(tag)} claims {length} bytes, {end - position - size} are there")
        else:
            if not opened and tag in wanted:
                _once(tag, tag in elements.values)
                elements.values[tag] = _value(file, tag, length, end)
            elif not opened and tag == PIXEL_DATA:
                _once(tag, bool(elements.pixels) or elements.encapsulated)
                elements.pixels.append((position + size, length))
            elif tag == _ITEM and inside == PIXEL_DATA and len(opened) == 1:
                elements.pixels.append((position + size, length))
            file.seek(position + size + length)
    raise _Damage(f"it has more than {MAX_ELEMENTS} elements")


def _header(head: bytes, explicit: bool, order: str) -> tuple[int, bytes, int, int]:
    """Tag, VR (empty if implicit), length and own size of the element that begins with these bytes."""
    if len(head) < 8:
        raise _Damage("the file ends inside an element")
    group, number = struct.unpack(f"{order}HH", head[:4])
    tag, vr = group << 16 | number, head[4:6]
    if not explicit or group == 0xFFFE or not (vr.isalpha() and vr.isupper()):
        return tag, b"", struct.unpack(f"{order}I", head[4:8])[0], 8
    if vr not in _LONG_VRS | _SHORT_VRS:
        raise _Damage(f"element {_name(tag)} is of no known VR")
    if vr not in _LONG_VRS:
        return tag, vr, struct.unpack(f"{order}H", head[6:8])[0], 8
    if len(head) < 12:
        raise _Damage("the file ends inside an element")
    return tag, vr, struct.unpack(f"{order}I", head[8:12])[0], 12


def _value(file: BinaryIO, tag: int, length: int, end: int) -> bytes:
    """Read a short value of the element whose header was just read."""
    if length > end - file.tell():
        raise _Damage(f"element {_name(tag)} claims {length} bytes, {end - file.tell()} are there")
    if length > MAX_VALUE_BYTES:
        raise _Damage(f"element {_name(tag)} has {length} bytes, more than {MAX_VALUE_BYTES}")
    return file.read(length)


def _inflated(file: BinaryIO) -> BinaryIO:
    """Give the inflated rest of a deflated file."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        body = inflater.decompress(file.read(MAX_INFLATED_BYTES), MAX_INFLATED_BYTES)
    except zlib.error:
        raise _Damage("its deflated data are broken") from None
    if not inflater.eof:
        raise _Damage(f"its deflated data are cut, or more than {MAX_INFLATED_BYTES >> 20} MiB")
    return io.BytesIO(body)


def _peek(file: BinaryIO, count: int) -> bytes:
    position = file.tell()
    head = file.read(count)
    file.seek(position)
    return head


def _size(file: BinaryIO) -> int:
    position = file.tell()
    size = file.seek(0, io.SEEK_END)
    file.seek(position)
    return size


def _once(tag: int, seen: bool) -> None:
    if seen:
        raise _Damage(f"element {_name(tag)} is there twice")


def _name(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
