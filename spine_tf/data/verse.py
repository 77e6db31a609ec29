"""Finds the cases of VerSe'19 and VerSe'20 as they are unzipped, and those of any pair of folders.

A number of VerSe's (`verse004`, `gl003`, the `split-` number of a split subject) is one scan wherever it appears. The
release of 2020 repeats scans of 2019, those with numbers below 450: together the two are 374 scans of 355 patients, not
479 of 441. So a number that is found several times is taken once, with one subject, whatever folder it lies in.
"""

import glob
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path

from spine_tf.data.cases import Case
from spine_tf.data.verse_names import SUBJECT_OF_SERIES, FileName, parse_name

SUBSETS = ("training", "validation", "test")
"""VerSe's own, weakest first: where copies of a scan or scans of a subject disagree, the last of them wins."""

_SUBSET = re.compile(r"(train|val|test)(?:ing|idation)?$")
_RELEASE = re.compile(r"verse[-_ ']*(?:20)?(19|20)(?!\d)")


@dataclass(frozen=True)
class _File:
    path: Path
    name: FileName
    release: str | None
    subset: str | None


def find_cases(root: Path) -> list[Case]:
    """Find all scans below a VerSe root.

    Folders may have any names. A release ("verse19", "VerSe2020") and a subset ("01_training", "dataset-verse19test")
    are read from them where they are told. A mask belongs to the CT of the same name, release and subset; among several
    the nearest one is taken. A CT without a mask is a case without one.

    A scan that is found several times is taken once. Its copies are grouped by release and form. The group with more
    masks is taken; then the subject-based form, as the organisers advise where both releases are used; then the later
    release. The case keeps the strongest subset of all copies: test, then validation, then training.

    Args:
        root: folder that is searched recursively.

    Returns:
        cases sorted by subject and case id, none of them `complete`.

    Raises:
        ValueError: no such folder, no CT in it, or one name for two scans that are not VerSe's.

    Example:
        >>> for name in ("rawdata/sub-verse004_ct.nii.gz", "derivatives/sub-verse004_seg-vert_msk.nii.gz"):
        ...     Path(name).parent.mkdir()
        ...     Path(name).touch()
        >>> [(case.case_id, case.subject, case.mask.name) for case in find_cases(Path("."))]
        [('sub-verse004', 'verse004', 'sub-verse004_seg-vert_msk.nii.gz')]
    """
    root = Path(root).resolve()
    files = _grouped(_read_names(root), lambda file: file.name.kind)
    if not files["ct"]:
        expected = "data must be a folder with VerSe's CTs (sub-*_ct.nii.gz or verse*.nii.gz) somewhere below it"
        raise ValueError(f"{expected}. Received: {'none below' if root.is_dir() else 'no such folder'} {root}")
    masks, centroids = (_grouped(files[kind], _case_id) for kind in ("mask", "centroids"))
    split = {f.name.series: f.name.subject for f in files["ct"] if f.name.series != f.name.subject}
    subject_of = SUBJECT_OF_SERIES | split
    cases = []
    for copies in _scans(files["ct"], masks):
        ct, subsets = copies[0], {copy.subset for copy in copies} - {None}
        cases.append(
            Case(
                ct.name.case_id,
                subject_of.get(ct.name.series, ct.name.subject),
                ct.path,
                _nearest(ct, masks),
                _nearest(ct, centroids),
                f"VerSe'{ct.release}" if ct.release else "VerSe",
                max(subsets, key=SUBSETS.index, default=None),
                complete=False,
            )
        )
    twice = [name for name, n in Counter(case.case_id for case in cases).items() if n > 1]
    if twice:
        where = [str(case.image) for case in cases if case.case_id == twice[0]]
        raise ValueError(f"each scan must have a name of its own. Received: {twice[0]} at {where}")
    return sorted(cases, key=lambda c: (c.subject, c.case_id))


def pair_globs(images: str, masks: str) -> list[Case]:
    """Pair the scans that one glob finds with the masks that another one finds.

    Both lists are sorted by name, numbers by their value, so that scan2 comes before scan10. Subjects are read from
    VerSe names and from names that start with `sub-`; any other scan is a subject of its own.

    Args:
        images: glob of the scans; `**` for any depth.
        masks: glob of the masks.

    Returns:
        cases sorted by subject and case id.

    Raises:
        ValueError: nothing found, unequal numbers, or a mask whose name fits another scan better than its own.

    Example:
        >>> for name in ("scan2.nii", "scan10.nii", "mask002.nii", "mask010.nii"):
        ...     Path(name).touch()
        >>> [(case.case_id, case.mask.name) for case in pair_globs("scan*.nii", "mask*.nii")]
        [('scan10', 'mask010.nii'), ('scan2', 'mask002.nii')]
    """
    found = [sorted(glob.glob(pattern, recursive=True), key=_natural) for pattern in (images, masks)]
    scans, labels = ([Path(path).resolve() for path in paths] for paths in found)
    if not scans or len(scans) != len(labels):
        raise ValueError(
            f"images and masks must find equally many files, at least one. Received: {len(scans)} of "
            f"images={images!r}, {len(labels)} of masks={masks!r}"
        )
    places, label_places = _below_common_folder(scans), _below_common_folder(labels)
    _check_order(places, label_places)
    names = [parse_name(path.name) for path in scans]
    ids = [name.case_id if name else _stem(path.name) for name, path in zip(names, scans, strict=True)]
    if len(set(ids)) < len(ids):
        # A name that is met in every folder tells nothing: subjects/7/ct.nii.gz becomes 7_ct.
        ids = [_stem(place).replace(os.sep, "_") for place in places]
    cases = []
    for case_id, name, image, mask in zip(ids, names, scans, labels, strict=True):
        telling = name is not None and (name.is_verse or image.name.lower().startswith("sub-"))
        subject = SUBJECT_OF_SERIES.get(name.series, name.subject) if telling else case_id
        cases.append(Case(case_id, subject, image, mask, source="images and masks"))
    return sorted(cases, key=lambda c: (c.subject, c.case_id))


def _read_names(root: Path) -> list[_File]:
    """Read the names of all files below a folder, sorted by path; other files than VerSe's are left out."""
    files = []
    for folder, _, names in os.walk(root, followlinks=True):
        parts = (root.name, *Path(folder).relative_to(root).parts)
        told = [part.lower() for part in parts if not part.startswith("sub-")]
        release, start = _last_match(_RELEASE, told), _last_match(_SUBSET, told)
        subset = next((subset for subset in SUBSETS if start and subset.startswith(start)), None)
        files += [_File(Path(folder) / name, parsed, release, subset) for name in names if (parsed := parse_name(name))]
    return sorted(files, key=lambda f: f.path)


def _last_match(pattern: re.Pattern, parts: list[str]) -> str | None:
    return next((match[1] for part in reversed(parts) if (match := pattern.search(part))), None)


def _case_id(file: _File) -> str:
    return file.name.case_id


def _grouped(files: list[_File], key: Callable) -> dict[Hashable, list[_File]]:
    """Group files by what `key` tells of them; a group that is not there is empty."""
    groups = defaultdict(list)
    for file in files:
        groups[key(file)].append(file)
    return groups


def _nearest(ct: _File, candidates: dict[str, list[_File]]) -> Path | None:
    """Choose, of the CT's name, release and subset, the candidate that shares most folders with it."""
    fitting = [f for f in candidates.get(ct.name.case_id, ()) if (f.release, f.subset) == (ct.release, ct.subset)]
    return max(fitting, key=lambda f: len(os.path.commonpath([f.path, ct.path]))).path if fitting else None


def _scans(cts: list[_File], masks: dict[str, list[_File]]) -> list[list[_File]]:
    """Group the CTs that are copies of one scan, the one to take first."""

    def worth(group: list[_File]):
        return sum(_nearest(ct, masks) is not None for ct in group), not group[0].name.miccai, group[0].release or ""

    scans = []
    for found in _grouped(cts, lambda ct: ct.name.series if ct.name.is_verse else str(ct.path)).values():
        groups = _grouped(found, lambda ct: (ct.release, ct.name.miccai)).values()
        best, *others = sorted(groups, key=worth, reverse=True)
        # Within a group a name that is there twice is a zip unpacked twice; two names are two scans of one subject.
        for copies in _grouped(best, _case_id).values():
            copies.sort(key=lambda ct: _nearest(ct, masks) is None)
            scans.append([*copies, *(ct for group in others for ct in group)])
    return scans


def _natural(path: str) -> list[tuple]:
    """Make a sort key with digits by their value; (1, 0, text) and (0, value, "") compare with each other."""
    return [(0, int(t), "") if t.isdigit() else (1, 0, t) for t in re.split(r"(\d+)", _stem(path))]


def _stem(name: str) -> str:
    return re.sub(r"\.nii(\.gz)?$", "", name, flags=re.IGNORECASE)


def _below_common_folder(paths: list[Path]) -> list[str]:
    common = os.path.commonpath([path.parent for path in paths])
    return [os.path.relpath(path, common) for path in paths]


def _check_order(images: list[str], masks: list[str]) -> None:
    """Refuse a mask whose name begins less like its own image's than another mask's does."""
    # <7> for 7 and 007 alike, so that scan1 is nearer to mask scan01 than to mask scan10.
    marked = [[re.sub(r"\d+", lambda n: f"<{int(n[0])}>", _stem(path)) for path in paths] for paths in (images, masks)]
    for i, name in enumerate(marked[0]):
        fit = [len(os.path.commonprefix([name, mask])) for mask in marked[1]]  # noqa: RUF071 (characters are meant)
        if fit[i] < max(fit):
            better = masks[fit.index(max(fit))]
            expected = f"masks must sort like images, but {images[i]} looks like {better}"
            raise ValueError(f"{expected}. Received: {images[i]} with {masks[i]}")
