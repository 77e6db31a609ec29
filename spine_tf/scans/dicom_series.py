"""Finds the CT series below a folder and chooses the one that is meant.

A series has one SeriesInstanceUID, size, orientation and pixel spacing; slices that differ make another. One UID with
several patients, studies or frames of reference is refused. Every file that is left out and may matter is named.
"""

import os
import stat
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spine_tf.scans.checks import refuse
from spine_tf.scans.dicom_header import ONE_EACH, Damaged, Slice, read_header
from spine_tf.scans.dicom_rank import prefer, why

SAME_DIRECTION = 1e-3
"""Largest difference of direction cosines, and of pixel spacings in mm, within one series."""
_NAMES_SHOWN = 3


@dataclass(frozen=True, eq=False)
class Series:
    """The slices of one CT series, in no order."""

    slices: list[Slice]
    warnings: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()
    """Damaged files that do not tell their series, as messages call them: a hole in the series may be theirs."""


def find_series(folder: Path, series: str | None, source: str) -> Series:
    """Find one CT series below a folder.

    Other modalities, localizers, colour pictures, multi-frame objects and files that are no image are passed over, and
    so are hidden files and folders. Only regular files, and links to such, are opened.

    Args:
        folder: searched with all that is below it.
        series: SeriesInstanceUID; None lets `dicom_rank.prefer` choose.
        source: the scan's name, for messages.

    Raises:
        ScanError: no CT slice at all, none of that UID, a CT slice of the series that cannot be read, or a UID that
            several patients, studies or frames of reference have.
    """
    found, damaged, passed_over, unopened = _read_headers(folder)
    groups = _group(found)
    wanted = groups if series is None else [group for group in groups if group[0].series == series]
    if not wanted:
        broken = [one for one in damaged if series is None or one.series == series]
        if broken:
            raise _unreadable(broken, source)
        if groups:
            raise refuse(source, f"series must be one of {sorted({g[0].series for g in groups})}", repr(series))
        received = ", ".join(f"{n} x {reason}" for reason, n in sorted(passed_over.items())) or "an empty folder"
        raise refuse(source, "a folder with a CT series is needed", received)
    chosen, *others = prefer(wanted)
    uid = chosen[0].series
    mine = [one for one in damaged if one.series == uid]
    if mine:
        raise _unreadable(mine, source)
    _check_owner(chosen, source)
    warnings = []
    if others:
        left = ", ".join(f"{_name(group)} ({len(group)} slices)" for group in others)
        warnings.append(f"of {len(wanted)} CT series {_name(chosen)} ({why(chosen, others)}) was taken; left: {left}")
    elsewhere = [one for one in damaged if one.series is not None]
    if elsewhere:
        warnings.append(f"{len(elsewhere)} CT slices of other series cannot be read ({_names(elsewhere)}); passed over")
    unknown = [one for one in damaged if one.series is None]
    if unknown:
        warnings.append(f"{len(unknown)} damaged files do not tell their series ({_names(unknown)}); passed over")
    if unopened:
        names = ", ".join(unopened[:_NAMES_SHOWN])
        warnings.append(f"{len(unopened)} pipes, devices or links to folders are not opened ({names})")
    return Series(chosen, tuple(warnings), tuple(f"{one.path.name} ({one.reason})" for one in unknown[:_NAMES_SHOWN]))


def _read_headers(folder: Path) -> tuple[list[Slice], list[Damaged], Counter, list[str]]:
    """Slices, damaged files, how many files are something else, and the names of what is never opened."""
    files, damaged, unopened = _files(folder)
    found, passed_over = [], Counter({"pipe, device or link to a folder": len(unopened)} if unopened else {})
    for path in files:
        read = read_header(path)
        if isinstance(read, Slice):
            found.append(read)
        elif isinstance(read, Damaged):
            damaged.append(read)
        else:
            passed_over[read] += 1
    return found, damaged, passed_over, unopened


def _files(folder: Path) -> tuple[list[Path], list[Damaged], list[str]]:
    """Regular files below a folder, what cannot be reached, and the names of what is never opened."""
    files, damaged, unopened = [], [], []

    def unreadable(error):
        damaged.append(Damaged(Path(error.filename), f"cannot be read ({error.strerror})"))

    for here, folders, names in os.walk(folder, onerror=unreadable):
        # Hidden folders hold what version control keeps: the same slices again.
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        unopened += [name for name in folders if Path(here, name).is_symlink()]
        for path in (Path(here, name) for name in sorted(names) if not name.startswith(".")):
            try:
                regular = stat.S_ISREG(path.stat().st_mode)
            except OSError:
                damaged.append(Damaged(path, "a link to a file that is not here"))
                continue
            if regular:
                files.append(path)
            else:
                unopened.append(path.name)
    return sorted(files), damaged, unopened


def _group(slices: list[Slice]) -> list[list[Slice]]:
    """Part slices by UID, size, orientation and pixel spacing; without UID by whom they are of, too."""
    alike: dict[tuple, list[list[Slice]]] = {}
    for item in slices:
        groups = alike.setdefault((item.series, item.size, () if item.series else item.owner), [])
        for group in groups:
            first = group[0]
            if (
                np.abs(item.directions - first.directions).max() <= SAME_DIRECTION
                and np.abs(item.spacing_mm - first.spacing_mm).max() <= SAME_DIRECTION
            ):
                group.append(item)
                break
        else:
            groups.append([item])
    return [group for groups in alike.values() for group in groups]


def _check_owner(group: list[Slice], source: str) -> None:
    """Refuse slices of one UID that contradict each other in ONE_EACH; what is empty contradicts nothing."""
    for name, digests in zip(ONE_EACH, zip(*(item.owner for item in group), strict=True), strict=True):
        counts = Counter(digest for digest in digests if digest)
        if len(counts) > 1:
            received = f"{len(counts)} of {', '.join(map(str, counts.values()))} slices"
            raise refuse(source, f"a series must have one {name}; this one is of several scans", received)


def _unreadable(damaged: list[Damaged], source: str) -> Exception:
    """The refusal of a series with damaged slices; it names the first and says how many there are."""
    more = f", and {len(damaged) - 1} more" if len(damaged) > 1 else ""
    received = f"{damaged[0].path.name}, {damaged[0].reason}{more}"
    return refuse(source, "every slice of the series must be readable", received)


def _names(damaged: list[Damaged]) -> str:
    return ", ".join(one.path.name for one in damaged[:_NAMES_SHOWN])


def _name(group: list[Slice]) -> str:
    first = group[0]
    return f"{first.series or '(empty UID)'} of {first.size[0]} x {first.size[1]} pixels"
