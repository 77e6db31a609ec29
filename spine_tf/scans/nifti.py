"""Reads NIfTI files into volumes and writes masks on their grid.

A gzip stream is read to its end once, so that its checksum counts.
"""

import gzip
import stat
import zlib
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np

from spine_tf.config import MEMORY_BUDGET_GIB
from spine_tf.scans.checks import refuse
from spine_tf.scans.intensity import to_hu, to_labels
from spine_tf.scans.nifti_header import HEADER_BYTES, Declared, read_header
from spine_tf.scans.volume import Grid, Volume, canonical_volume
from spine_tf.support.files import write_gzip

MAX_TRAILING_BYTES = 1 << 16
"""As many bytes may follow the voxels, as padding; more is another shape, or a file made to be read for hours."""
_CHUNK = 1 << 22
_KINDS = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a fifo", stat.S_IFSOCK: "a socket"}


def read_nifti(path: Path, *, assume_hu: bool = False, memory_budget_gib: float = MEMORY_BUDGET_GIB) -> Volume:
    """Read a CT from a .nii or .nii.gz file.

    Args:
        path: the file; what it holds counts, not its name.
        assume_hu: take the values for HU whatever they look like.
        memory_budget_gib: refuse, before reading it, a scan that would need more (`check_memory`).

    Returns:
        HU, int16 (x, y, z) in RAS+ order.

    Raises:
        ScanError: no regular file, a truncated one, a broken gzip stream, or whatever `read_header` and `to_hu` refuse.

    Example:
        >>> hu = np.full((8, 8, 8), 40, np.int16)
        >>> nib.Nifti1Image(hu, np.diag([-1, 1, 1, 1])).to_filename("scan.nii.gz")
        >>> read_nifti("scan.nii.gz", assume_hu=True).grid.orientation
        'LAS'
    """
    raw, declared = _read(Path(path), memory_budget_gib)
    hu, warnings = to_hu(raw, declared.slope, declared.intercept, declared.grid.source, assume_hu)
    return canonical_volume(hu, declared.grid, declared.warnings + warnings)


def read_label_map(path: Path, *, memory_budget_gib: float = MEMORY_BUDGET_GIB) -> Volume:
    """Read a label map from a .nii or .nii.gz file of any real dtype.

    Args:
        path: the file.
        memory_budget_gib: as `read_nifti` takes it.

    Returns:
        Labels, int16 (x, y, z) in RAS+ order.

    Raises:
        ScanError: as `read_nifti`, or a value that is not a whole number in 0..32767.

    Example:
        >>> nib.Nifti1Image(np.full((8, 8, 8), 20.0), np.eye(4)).to_filename("mask.nii")
        >>> labels = read_label_map("mask.nii").array
        >>> labels.dtype, labels.max()
        (dtype('int16'), np.int16(20))
    """
    raw, declared = _read(Path(path), memory_budget_gib)
    labels = to_labels(raw, declared.slope, declared.intercept, declared.grid.source)
    return canonical_volume(labels, declared.grid, declared.warnings)


def write_mask(path: Path, mask_ras: np.ndarray, volume: Volume) -> None:
    """Write a mask or label map as uint8 on the stored grid of its scan: shape, affine, qform, sform and codes.

    The header is made anew: description, intent, auxiliary file, database name and extensions of the scan are not
    in it. The file appears whole or not at all.

    Args:
        path: the file, which ends in .nii.gz.
        mask_ras: (x, y, z) bool or whole numbers in 0..255, on the axes of `volume.array`.
        volume: the scan.

    Raises:
        ValueError: a path that does not end in .nii.gz, another shape, or other values.

    Example:
        >>> from spine_tf.scans import volume_from_array
        >>> scan = volume_from_array(np.zeros((8, 8, 8), np.int16), np.diag([2, 2, 3, 1]))
        >>> write_mask("mask.nii.gz", np.ones(scan.shape, bool), scan)
        >>> nib.load("mask.nii.gz").header.get_zooms() == (2, 2, 3)
        True
    """
    stored = volume.to_stored(np.asarray(mask_ras))
    with np.errstate(invalid="ignore"):
        values = stored.astype(np.uint8)
    if not np.array_equal(values, stored):
        raise ValueError(
            f"mask_ras must hold whole numbers in 0..255. Received: dtype {stored.dtype} with other values"
        )
    _write(Path(path), values, volume.grid, slope=None)


def write_probability(path: Path, probability_ras: np.ndarray, volume: Volume) -> None:
    """Write probabilities on the stored grid of their scan, as uint8 with scl_slope 1/255.

    Args:
        path: the file, which ends in .nii.gz.
        probability_ras: (x, y, z) real numbers in [0, 1], on the axes of `volume.array`.
        volume: the scan.

    Raises:
        ValueError: a path that does not end in .nii.gz, another shape, or values outside [0, 1].

    Example:
        >>> from spine_tf.scans import volume_from_array
        >>> scan = volume_from_array(np.zeros((8, 8, 8), np.int16), np.eye(4))
        >>> write_probability("probability.nii.gz", np.full(scan.shape, 0.25), scan)
        >>> round(float(nib.load("probability.nii.gz").get_fdata()[0, 0, 0]), 3)
        0.251
    """
    stored = volume.to_stored(np.asarray(probability_ras))
    low, high = float(np.min(stored)), float(np.max(stored))
    if not (low >= 0 and high <= 1):
        raise ValueError(f"probability_ras must lie in [0, 1]. Received: {low:g} to {high:g}")
    _write(Path(path), np.rint(stored * np.float32(255)).astype(np.uint8), volume.grid, slope=1 / 255)


def _read(path: Path, memory_budget_gib: float) -> tuple[np.ndarray, Declared]:
    source = path.name
    try:
        # Asked before it is opened: opening a fifo waits for its writer, for ever.
        kind = stat.S_IFMT(path.stat().st_mode)
        if kind != stat.S_IFREG:
            raise refuse(source, "a regular file is needed", _KINDS.get(kind, "a device"))
        with open(path, "rb") as file:
            zipped = file.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rb") if zipped else open(path, "rb") as stream:
            return _read_stream(stream, source, memory_budget_gib)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise refuse(source, "the gzip stream must be whole", error) from error
    except OSError as error:
        raise refuse(source, "a readable file is needed", error.strerror or error) from error


def _read_stream(stream, source, memory_budget_gib):
    start = stream.read(HEADER_BYTES)
    declared = read_header(start, source, memory_budget_gib)
    buffer = np.empty(declared.voxel_bytes, np.uint8)
    end = declared.offset + buffer.size
    position = 0
    chunk = start
    # To the very end, past the last voxel too: only there does gzip compare its checksum.
    while chunk:
        voxels = np.frombuffer(chunk, np.uint8)[max(0, declared.offset - position) : max(0, end - position)]
        filled = max(0, position - declared.offset)
        buffer[filled : filled + voxels.size] = voxels
        position += len(chunk)
        if position > end + MAX_TRAILING_BYTES:
            expected = f"at most {MAX_TRAILING_BYTES} bytes may follow the {buffer.size} bytes of voxels"
            raise refuse(source, expected, "more")
        chunk = stream.read(_CHUNK)
    if position < end:
        received = f"{max(0, position - declared.offset)}, the file is truncated"
        raise refuse(source, f"{buffer.size} bytes of voxels are declared", received)
    if position > end:
        more = f"{position - end} bytes follow the voxels and were ignored"
        declared = replace(declared, warnings=(*declared.warnings, more))
    return buffer.view(declared.dtype).reshape(declared.grid.shape, order="F"), declared


def _write(path: Path, stored: np.ndarray, grid: Grid, slope: float | None) -> None:
    if not path.name.endswith(".nii.gz"):
        raise ValueError(f"path must end in .nii.gz. Received: {path.name}")
    image_class = nib.Nifti2Image if grid.nifti_version == 2 else nib.Nifti1Image
    header = image_class.header_class()
    header.set_data_shape(stored.shape)
    header.set_data_dtype(np.uint8)
    if grid.header_fields:
        for name, value in grid.header_fields.items():
            header[name] = value if name != "pixdim" else [*value, 0, 0, 0, 0]
    else:
        header.set_qform(grid.affine, grid.qform_code)
        header.set_sform(grid.affine, grid.sform_code)
        header.set_xyzt_units("mm")
    # No affine is given: nibabel would derive the forms from it anew instead of leaving them as the scan has them.
    image = image_class(stored, None, header)
    if slope is not None:
        # On the image's own header: nibabel resets the scaling of the one it is given.
        image.header.set_slope_inter(slope, 0)
    write_gzip(path, image.to_bytes())
