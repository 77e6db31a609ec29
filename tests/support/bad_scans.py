"""Makes inputs that must each fail alone, one of a kind. To add a kind, add a function to `KINDS`."""

import gzip
import os
import socket
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np

from tests.support.dicom_series import SHAPE, STEP, write_series
from tests.support.scans import bright_block_hu

HU = bright_block_hu()


def _nifti(path: Path, array=HU, affine=None) -> Path:
    nib.save(nib.Nifti1Image(array, np.eye(4) if affine is None else affine), path)
    return path


def _bytes(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _changed(path: Path, change: Callable[[bytearray], bytearray]) -> Path:
    """A good scan whose uncompressed bytes were changed."""
    content = bytearray(_nifti(path).read_bytes())
    return _bytes(path, bytes(change(content)))


def _with(content: bytearray, offset: int, value: bytes) -> bytearray:
    content[offset : offset + len(value)] = value
    return content


def _flip_bit(content: bytearray) -> bytearray:
    content[len(content) // 2] ^= 4
    return content


def _series(folder: Path, keep=lambda k: True, **tags) -> Path:
    hu = np.random.default_rng(0).normal(40, 300, (*SHAPE[:2], 12)).astype(np.int16)
    planes = [k for k in range(12) if keep(k)]
    write_series(folder, hu[:, :, planes], [(0.0, 0.0, STEP * k) for k in planes], **tags)
    return folder


def _cut_slice(folder: Path) -> Path:
    path = sorted(_series(folder).iterdir())[3]
    path.write_bytes(path.read_bytes()[:700])
    return folder


def _two_phases(folder: Path) -> Path:
    _series(folder)
    hu = np.random.default_rng(1).normal(900, 300, (*SHAPE[:2], 12)).astype(np.int16)
    write_series(folder / "again", hu, [(0.0, 0.0, STEP * k) for k in range(12)], _0008_0018="1.2.3.4")
    return folder


def _pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


def _socket(path: Path) -> Path:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))
    return path


def _link(path: Path, target: Path) -> Path:
    path.symlink_to(target)
    return path


def _folder(path: Path, **files: bytes) -> Path:
    path.mkdir()
    for name, content in files.items():
        (path / name).write_bytes(content)
    return path


KINDS: dict[str, Callable[[Path], Path]] = {
    "empty": lambda at: _bytes(at / "empty.nii.gz", b""),
    "text": lambda at: _bytes(at / "text.nii.gz", b"no image at all"),
    "picture": lambda at: _bytes(at / "picture.nii", b"\x89PNG\r\n\x1a\n" + bytes(500)),
    "cut_gzip": lambda at: _bytes(at / "cut_gzip.nii.gz", _nifti(at / "x.nii.gz").read_bytes()[:-60]),
    "flipped_bit": lambda at: _changed(
        at / "flipped_bit.nii.gz", lambda c: _with(c, len(c) // 2, bytes([c[len(c) // 2] ^ 4]))
    ),
    "cut": lambda at: _changed(at / "cut.nii", lambda c: c[:-1000]),
    "zipped_twice": lambda at: _bytes(at / "zipped_twice.nii.gz", gzip.compress(_nifti(at / "x.nii.gz").read_bytes())),
    "huge": lambda at: _changed(at / "huge.nii", lambda c: _with(c, 42, b"\xff\x7f" * 3)),
    "no_size": lambda at: _changed(at / "no_size.nii", lambda c: _with(c, 42, b"\x00\x00")),
    "flat": lambda at: _nifti(at / "flat.nii.gz", HU[..., 0]),
    "film": lambda at: _nifti(at / "film.nii.gz", np.stack([HU, HU], axis=-1)),
    "thin": lambda at: _nifti(at / "thin.nii.gz", HU[..., :4]),
    "coarse": lambda at: _nifti(at / "coarse.nii.gz", affine=np.diag([25.0, 25.0, 25.0, 1.0])),
    "sheared": lambda at: _nifti(at / "sheared.nii.gz", affine=np.eye(4) + 0.3 * np.eye(4, k=1) * [[1], [0], [0], [0]]),
    "unknown_values": lambda at: _nifti(at / "unknown_values.nii.gz", np.full(HU.shape, np.nan, np.float32)),
    "eight_bits": lambda at: _nifti(at / "eight_bits.nii.gz", np.clip(HU // 4 + 50, 0, 255).astype(np.uint8)),
    "label_map": lambda at: _nifti(at / "label_map.nii.gz", (HU == 1000).astype(np.uint8)),
    "constant": lambda at: _nifti(at / "constant.nii.gz", np.full_like(HU, 40)),
    "complex": lambda at: _nifti(at / "complex.nii.gz", HU.astype(np.complex64)),
    "missing": lambda at: at / "missing.nii.gz",
    "dead_link": lambda at: _link(at / "dead_link.nii.gz", at / "nowhere"),
    "circle": lambda at: _link(at / "circle.nii.gz", at / "circle.nii.gz"),
    "pipe": lambda at: _pipe(at / "pipe.nii.gz"),
    "socket": lambda at: _socket(at / "socket.nii.gz"),
    "device": lambda at: Path("/dev/zero"),
    "empty_folder": lambda at: _folder(at / "empty_folder"),
    "no_series": lambda at: _folder(at / "no_series", notes=b"no slice", more=bytes(2000)),
    "another_modality": lambda at: _series(at / "another_modality", _0008_0060="MR"),
    "localizer": lambda at: _series(at / "localizer", _0008_0008="ORIGINAL\\PRIMARY\\LOCALIZER"),
    "hole": lambda at: _series(at / "hole", lambda k: k not in (5, 6)),
    "cut_slice": lambda at: _cut_slice(at / "cut_slice"),
    "two_phases": lambda at: _two_phases(at / "two_phases"),
}
"""Kind -> makes one in a folder and gives its path, whose name is the kind's (a device keeps its own)."""
