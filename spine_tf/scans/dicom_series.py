"""Which files of a folder are slices of a CT, and which of its series is meant."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from spine_tf.scans.checks import refuse

SAME_DIRECTION = 1e-3
"""Largest difference of direction cosines, and of pixel spacings in mm, within one series."""
_CT_IMAGE_STORAGE = b"1.2.840.10008.5.1.4.1.1.2\0"
_HEAD_BYTES = 1 << 16
_NAMES_SHOWN = 3


@dataclass(frozen=True, eq=False)
class Slice:
    """One CT slice, as far as its header tells: nothing about the patient is kept."""

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
    rescaled: bool
    """Whether the file says how its numbers become HU."""


def slice_reader(path: Path) -> sitk.ImageFileReader:
    """A SimpleITK reader for one DICOM file of any name; GDCM behind it knows the compressed transfer syntaxes."""
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(path))
    return reader


def find_series(folder: Path, series: str | None, source: str) -> tuple[list[Slice], tuple[str, ...]]:
    """The slices of one CT series below a folder, in no order, and warnings on what else was there.

    Other modalities, localizers, colour pictures, multi-frame objects and files that are no image are passed over.

    Args:
        series: SeriesInstanceUID, or None for the series with the most slices. Slices of another size, orientation or
            pixel spacing under the same UID count as another series.

    Raises:
        ScanError: no CT slice at all, none of that UID, or a CT slice of the series that cannot be read.
    """
    found, passed_over, broken = _read_headers(folder)
    if not found:
        received = ", ".join(f"{n} x {reason}" for reason, n in sorted(passed_over.items())) or "an empty folder"
        raise refuse(source, "a folder with a CT series is needed", received)
    groups = _group(found)
    wanted = groups if series is None else [g for g in groups if g[0].series == series]
    if not wanted:
        raise refuse(source, f"series must be one of {sorted({g[0].series for g in groups})}", repr(series))
    chosen = max(wanted, key=len)
    warnings = []
    if len(wanted) > 1:
        others = ", ".join(f"{_name(g)} ({len(g)} slices)" for g in wanted if g is not chosen)
        warnings.append(f"the largest CT series was taken: {_name(chosen)} ({len(chosen)} slices); left: {others}")
    for path, head in broken:
        if not chosen[0].series or chosen[0].series.encode() in head:
            raise refuse(source, "every slice of the series must be readable", f"{path.name}, broken or truncated")
    if broken:
        names = ", ".join(path.name for path, _ in broken[:_NAMES_SHOWN])
        warnings.append(f"{len(broken)} CT slices of other series cannot be read ({names}); passed over")
    return chosen, tuple(warnings)


def _name(group):
    first = group[0]
    return f"{first.series or '(empty UID)'} of {first.size[0]} x {first.size[1]} pixels"


def _read_headers(folder):
    found, passed_over, broken = [], Counter(), []
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith(".")):
        reader = slice_reader(path)
        try:
            reader.ReadImageInformation()
        except RuntimeError:
            with open(path, "rb") as file:
                head = file.read(_HEAD_BYTES)
            if _CT_IMAGE_STORAGE in head:
                broken.append((path, head))
            passed_over["no readable image"] += 1
            continue
        made = _slice(path, reader)
        if isinstance(made, Slice):
            found.append(made)
        else:
            passed_over[made] += 1
    return found, passed_over, broken


def _slice(path, reader) -> Slice | str:
    tags = {key: reader.GetMetaData(key).strip(" \0") for key in reader.GetMetaDataKeys()}
    modality = tags.get("0008|0060", "")
    if modality != "CT":
        return f"modality {modality or 'unknown'}"
    if "LOCALIZER" in tags.get("0008|0008", "").upper():
        return "localizer"
    if reader.GetNumberOfComponents() != 1:
        return "colour picture"
    if reader.GetDimension() > 2 and reader.GetSize()[2] > 1:
        return "multi-frame CT (export it as single slices)"
    position = _numbers(tags, "0020|0032", 3)
    directions = _numbers(tags, "0020|0037", 6)
    spacing = _numbers(tags, "0028|0030", 2)
    if position is None or directions is None or spacing is None:
        return "CT without position, orientation or pixel spacing"
    return Slice(
        path,
        tags.get("0020|000e", ""),
        tags.get("0008|0018", ""),
        tuple(reader.GetSize()[:2]),
        position,
        directions.reshape(2, 3),
        # PixelSpacing gives the distance of rows first.
        spacing[::-1],
        "0028|1052" in tags,
    )


def _numbers(tags, key, count):
    try:
        values = np.array([float(v) for v in tags[key].split("\\")])
    except (KeyError, ValueError):
        return None
    return values if values.size == count and np.isfinite(values).all() else None


def _group(slices):
    groups = []
    for item in slices:
        for group in groups:
            first = group[0]
            if (
                (item.series, item.size) == (first.series, first.size)
                and np.abs(item.directions - first.directions).max() <= SAME_DIRECTION
                and np.abs(item.spacing_mm - first.spacing_mm).max() <= SAME_DIRECTION
            ):
                group.append(item)
                break
        else:
            groups.append([item])
    return groups
