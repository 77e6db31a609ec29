"""Finds the scans that a folder or a CSV names, and what each is called."""

import csv
import os
from dataclasses import dataclass
from pathlib import Path

from spine_tf.data.verse_names import parse_name
from spine_tf.inference.outputs import case_name
from spine_tf.scans.file_names import is_nifti

NOT_SCANS = ("derivatives", "masks", "labels", "labelstr", "labelsts")
"""Folders that hold masks: VerSe's and BIDS' derivatives, and the usual names beside them; lower case."""

_MASK_ENDINGS = ("msk", "mask", "seg", "segmentation", "label", "labels", "prob")
_DICOM_MAGIC = b"DICM"
_DICOM_PREAMBLE = 128


@dataclass(frozen=True)
class Scan:
    """One scan to segment: what its files will be named after, and where it is."""

    case: str
    path: Path


def find_scans(source: str | Path, output: str | Path | None = None) -> list[Scan]:
    """Find the scans below a folder, or in the lines of a CSV.

    Args:
        source: a folder: every NIfTI file below it that is not named as a mask, and every folder with DICOM files in
            it; not below `NOT_SCANS`, hidden folders and `output`. Or a .csv file with the column `path` (relative to
            the CSV; whether it is there is not looked at) and, if the files' names do not do, `case`.
        output: folder of the results, whose files are no scans.

    Returns:
        the scans of a folder sorted by path, those of a CSV in its order; `segment_many` fails those of one name.

    Raises:
        ValueError: no such source, nothing in it, a CSV without `path`, or a case name that is no file's name.

    Example:
        >>> Path("scans").mkdir()
        >>> for name in ("a_ct.nii.gz", "a_seg-vert_msk.nii.gz"):
        ...     Path("scans", name).touch()
        >>> [scan.case for scan in find_scans("scans")]
        ['a']
    """
    source = Path(source)
    if source.is_dir():
        scans = [Scan(case_name(path), path) for path in _below(source.resolve(), output)]
    elif source.is_file() and source.suffix.lower() == ".csv":
        scans = _listed(source.resolve())
    else:
        raise ValueError(f"input must be a folder or a .csv file. Received: {str(source)!r}")
    if not scans:
        raise ValueError(f"input must have at least one scan in it. Received: none in {str(source)!r}")
    _check_names(scans)
    return scans


def _below(root: Path, output: Path | None) -> list[Path]:
    found, own = [], Path(output).resolve() if output else None
    if own == root:
        raise ValueError(f"output must be another folder than the input. Received: {str(output)!r} for both")
    for folder, folders, names in os.walk(root, followlinks=True):
        here = Path(folder)
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".") and name.lower() not in NOT_SCANS and (here / name).resolve() != own
        ]
        names = [name for name in names if not name.startswith(".")]
        images = [name for name in names if is_nifti(name)]
        found += [here / name for name in images if _is_image(name)]
        if any(_is_dicom(here / name) for name in names if name not in images):
            found.append(here)
            # A series is read with all that is below its folder.
            folders.clear()
    return sorted(found)


def _is_image(name: str) -> bool:
    parsed = parse_name(name)
    if parsed is not None:
        return parsed.kind == "ct"
    words = name.lower().split(".nii")[0].split("_")
    return words[-1] not in _MASK_ENDINGS and not any(word.startswith("seg-") for word in words)


def _is_dicom(path: Path) -> bool:
    # The index of a CD lies above its series; a fifo is never opened.
    if path.name == "DICOMDIR" or not path.is_file():
        return False
    try:
        with open(path, "rb") as file:
            return file.read(_DICOM_PREAMBLE + len(_DICOM_MAGIC))[_DICOM_PREAMBLE:] == _DICOM_MAGIC
    except OSError:
        return False


def _listed(source: Path) -> list[Scan]:
    # utf-8-sig: spreadsheets put a mark before the first column's name.
    with open(source, newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        columns = rows.fieldnames or []
        if "path" not in columns:
            raise ValueError(f"input must have a column 'path'. Received: columns {columns} in {str(source)!r}")
        scans = []
        for row in rows:
            if not row["path"]:
                raise ValueError(f"path must not be empty. Received: line {rows.line_num} of {str(source)!r}")
            path = source.parent / row["path"]
            scans.append(Scan(row.get("case") or case_name(path), path))
    return scans


def _check_names(scans: list[Scan]) -> None:
    for scan in scans:
        if scan.case != Path(scan.case).name or scan.case.startswith("."):
            raise ValueError(
                f"case must be a name that a file can have. Received: {scan.case!r} for {str(scan.path)!r}"
            )
