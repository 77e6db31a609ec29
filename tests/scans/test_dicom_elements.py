"""Files of a few elements, made byte by byte."""

import struct
import time
import zlib

import pytest

from spine_tf.scans.dicom_elements import MAX_DEPTH, MAX_ELEMENTS, PIXEL_DATA, read_elements, read_pixel_bytes

MODALITY, ROWS = 0x00080060, 0x00280010
HEAD = bytes(128) + b"DICM"
UNDEFINED = 0xFFFFFFFF


def explicit(tag: int, vr: bytes, value: bytes, order: str = "<", length: int | None = None) -> bytes:
    length = len(value) if length is None else length
    long = vr in (b"OW", b"OB", b"SQ", b"UN")
    return (
        struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF)
        + vr
        + (struct.pack(f"{order}HI", 0, length) if long else struct.pack(f"{order}H", length))
        + value
    )


def implicit(tag: int, value: bytes, length: int | None = None) -> bytes:
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, len(value) if length is None else length) + value


def syntax(uid: str) -> bytes:
    return HEAD + explicit(0x00020010, b"UI", uid.encode() + b"\0" * (len(uid) % 2))


def walk(tmp_path, content: bytes):
    path = tmp_path / "file"
    path.write_bytes(content)
    return path, read_elements(path, [MODALITY, ROWS])


CT = explicit(MODALITY, b"CS", b"CT")
PIXELS = explicit(PIXEL_DATA, b"OW", b"12345678")


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (HEAD + CT + explicit(ROWS, b"US", b"\2\0") + PIXELS, b"\2\0"),
        (CT + explicit(ROWS, b"US", b"\2\0") + PIXELS, b"\2\0"),
        (HEAD + implicit(MODALITY, b"CT") + implicit(ROWS, b"\2\0") + implicit(PIXEL_DATA, b"12345678"), b"\2\0"),
        (
            syntax("1.2.840.10008.1.2.2")
            + explicit(MODALITY, b"CS", b"CT", ">")
            + explicit(ROWS, b"US", b"\0\2", ">")
            + explicit(PIXEL_DATA, b"OW", b"12345678", ">"),
            b"\0\2",
        ),
        (
            syntax("1.2.840.10008.1.2.1.99")
            + zlib.compress(CT + explicit(ROWS, b"US", b"\2\0") + PIXELS, wbits=-zlib.MAX_WBITS),
            b"\2\0",
        ),
        # The transfer syntax says implicit, the bytes do not.
        (syntax("1.2.840.10008.1.2") + CT + explicit(ROWS, b"US", b"\2\0") + PIXELS + bytes(100), b"\2\0"),
    ],
    ids=["explicit", "no preamble", "implicit", "big endian", "deflated", "wrong syntax, zeros behind"],
)
def test_each_form_of_a_file_gives_its_values_and_pixels(tmp_path, content, rows):
    path, elements = walk(tmp_path, content)
    assert elements.damage == ""
    assert elements.values == {MODALITY: b"CT", ROWS: rows}
    assert read_pixel_bytes(path, elements) == [b"12345678"]


def test_fragments_are_found_behind_the_offset_table_and_icons_are_not(tmp_path):
    fragments = implicit(0xFFFEE000, b"") + implicit(0xFFFEE000, b"first ") + implicit(0xFFFEE000, b"second")
    encapsulated = explicit(PIXEL_DATA, b"OB", fragments, length=UNDEFINED) + implicit(0xFFFEE0DD, b"")
    icon = implicit(0xFFFEE000, explicit(ROWS, b"US", b"\7\0") + encapsulated, length=UNDEFINED)
    icons = explicit(0x00880200, b"SQ", icon + implicit(0xFFFEE00D, b"") + implicit(0xFFFEE0DD, b""), length=UNDEFINED)
    path, elements = walk(tmp_path, HEAD + CT + icons + encapsulated)
    assert elements.damage == ""
    assert elements.values == {MODALITY: b"CT"}
    assert read_pixel_bytes(path, elements) == [b"first ", b"second"]


def test_what_is_unknown_holds_implicit_elements(tmp_path):
    inside = implicit(0xFFFEE000, implicit(0x00091001, b"CS12"), length=UNDEFINED) + implicit(0xFFFEE00D, b"")
    unknown = explicit(0x00091000, b"UN", inside + implicit(0xFFFEE0DD, b""), length=UNDEFINED)
    assert walk(tmp_path, HEAD + CT + unknown + PIXELS)[1].damage == ""


def nested(depth: int) -> bytes:
    opened = explicit(0x00081140, b"SQ", b"", length=UNDEFINED) + implicit(0xFFFEE000, b"", length=UNDEFINED)
    closed = implicit(0xFFFEE00D, b"") + implicit(0xFFFEE0DD, b"")
    return HEAD + CT + depth * opened + depth * closed + PIXELS


@pytest.mark.parametrize(
    ("content", "damage"),
    [
        (b"no image, but more than eight bytes", "no DICOM file"),
        (b"", "no DICOM file"),
        (HEAD + CT + PIXELS[:-3], "(7FE0,0010) claims 8 bytes, 5 are there"),
        (HEAD + CT + PIXELS + explicit(0xFFFCFFFC, b"OB", b"", length=0xFFFFFFF0), "claims 4294967280 bytes, 0 are"),
        (HEAD + CT + PIXELS + b"\1\2\3", "ends inside an element"),
        (HEAD + CT + PIXELS + bytes(10_000), "more than 4096 bytes at its end are zero"),
        (HEAD + CT + CT, "(0008,0060) is there twice"),
        (HEAD + PIXELS + PIXELS, "(7FE0,0010) is there twice"),
        (HEAD + CT + implicit(0xFFFEE0DD, b""), "ends that was never begun"),
        (HEAD + explicit(MODALITY, b"CS", b"C" * 5000), "has 5000 bytes, more than 4096"),
        (HEAD + CT + explicit(0x00081140, b"SQ", b"", length=UNDEFINED), "ends inside an element"),
        (nested(20_000), f"nested more than {MAX_DEPTH} deep"),
        (HEAD + explicit(0x00020010, b"UI", b"", length=999), "(0002,0010) claims 999 bytes, 0 are there"),
        (syntax("1.2.840.10008.1.2.1.99") + b"\xff" * 50, "deflated data are broken"),
        (syntax("1.2.840.10008.1.2.1.99") + zlib.compress(bytes(900), wbits=-15)[:5], "deflated data are cut"),
    ],
)
def test_damage_is_said(tmp_path, content, damage):
    assert damage in walk(tmp_path, content)[1].damage


def test_what_came_before_the_damage_is_kept(tmp_path):
    assert walk(tmp_path, HEAD + CT + PIXELS[:-1])[1].values == {MODALITY: b"CT"}


def test_nesting_that_is_allowed_is_walked(tmp_path):
    assert walk(tmp_path, nested(MAX_DEPTH // 2))[1].damage == ""


def test_a_file_of_a_million_elements_is_left_soon(tmp_path):
    content = HEAD + CT + 1_000_000 * explicit(0x00091001, b"CS", b"")
    start = time.perf_counter()
    assert f"more than {MAX_ELEMENTS} elements" in walk(tmp_path, content)[1].damage
    assert time.perf_counter() - start < 5


def test_a_bomb_is_not_inflated(tmp_path):
    bomb = zlib.compress(bytes(1 << 29), wbits=-zlib.MAX_WBITS)
    assert "more than 256 MiB" in walk(tmp_path, syntax("1.2.840.10008.1.2.1.99") + bomb)[1].damage
