"""Cases of VerSe'19 and '20 as people unzip them, and of any pair of folders.

Each number of VerSe's (`verse004`, `gl003`, the `split-` number of a split subject) is one scan wherever it appears.
A number below 450 in the release of 2020 is a scan of 2019, so both releases together are 374 scans of 355 patients,
not 479 of 441: a number that is found more than once is taken once, with one subject, whatever folder it lies in.
"""

import glob
import os
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import takewhile
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
    """All scans below a VerSe root, searched recursively, sorted by subject and case.

    The folders' names do not matter, except that a release ("verse19", "VerSe2020") and a subset ("01_training",
    "dataset-verse19test") are read from them where they are told. A mask belongs to the CT of the same name, the
    nearest one where the same release and subset hold several. A CT without its mask is a case without one.

    A scan found more than once is taken once: from the group of copies (release and form) with more masks; then from
    the subject-based form, as the organisers advise where both releases are used; then from the later release. It
    keeps the strongest subset of all its copies: test, then validation, then training.

    Raises:
        ValueError: no such folder, no CT in it, or one name for two scans that are not VerSe's.
    """
    root = Path(root).resolve()
    files = defaultdict(list)
    for file in _read_names(root):
        files[file.name.kind].append(file)
    if not files["ct"]:
        expected = "data must be a folder with VerSe's CTs (sub-*_ct.nii.gz or verse*.nii.gz) somewhere below it"
        raise ValueError(f"{expected}. Received: {'none below' if root.is_dir() else 'no such folder'} {root}")
    masks, centroids = _by_case(files["mask"]), _by_case(files["centroids"])
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
    """One case for each scan a glob (`**` for any depth) finds, with the mask at the same place of the other glob.

    Both lists are sorted by name with numbers by their value, so that scan2 comes before scan10 in both. Subjects are
    read from VerSe names and from names that start with `sub-`; any other scan is taken for a subject of its own.

    Raises:
        ValueError: nothing found, unequal numbers, or a mask whose name fits another scan better than its own.
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
    files = []
    for folder, _, names in os.walk(root, followlinks=True):
        parts = (root.name, *Path(folder).relative_to(root).parts)
        told = [part.lower() for part in parts if not part.startswith("sub-")]
        release, start = _last_match(_RELEASE, told), _last_match(_SUBSET, told)
        subset = next((subset for subset in SUBSETS if start and subset.startswith(start)), None)
        for name in names:
            parsed = parse_name(name)
            if parsed is not None:
                files.append(_File(Path(folder) / name, parsed, release, subset))
    return sorted(files, key=lambda f: f.path)


def _last_match(pattern: re.Pattern, parts: list[str]) -> str | None:
    matches = [match[1] for part in parts if (match := pattern.search(part))]
    return matches[-1] if matches else None


def _by_case(files: list[_File]) -> dict[str, list[_File]]:
    grouped = defaultdict(list)
    for file in files:
        grouped[file.name.case_id].append(file)
    return grouped


def _nearest(ct: _File, candidates: dict[str, list[_File]]) -> Path | None:
    """The candidate of the CT's name, release and subset whose path has most folders in common with it."""
    fitting = [f for f in candidates.get(ct.name.case_id, ()) if (f.release, f.subset) == (ct.release, ct.subset)]
    return max(fitting, key=lambda f: len(os.path.commonpath([f.path, ct.path]))).path if fitting else None


def _scans(cts: list[_File], masks: dict[str, list[_File]]) -> list[list[_File]]:
    """For each scan all CTs that are copies of it, the one to take first."""
    by_series = defaultdict(lambda: defaultdict(list))
    for ct in cts:
        by_series[ct.name.series if ct.name.is_verse else str(ct.path)][(ct.release, ct.name.miccai)].append(ct)

    def worth(group: list[_File]):
        return sum(_nearest(ct, masks) is not None for ct in group), not group[0].name.miccai, group[0].release or ""

    scans = []
    for groups in by_series.values():
        best, *others = sorted(groups.values(), key=worth, reverse=True)
        # Within a group a name that is there twice is a zip unpacked twice; two names are two scans of one subject.
        for copies in _by_case(best).values():
            copies.sort(key=lambda ct: _nearest(ct, masks) is None)
            scans.append([*copies, *(ct for group in others for ct in group)])
    return scans


def _natural(path: str) -> list[tuple]:
    """Sort key: digits by their value. (1, 0, text) and (0, value, "") compare with each other."""
    return [(0, int(t), "") if t.isdigit() else (1, 0, t) for t in re.split(r"(\d+)", _stem(path))]


def _stem(name: str) -> str:
    return re.sub(r"\.nii(\.gz)?$", "", name, flags=re.IGNORECASE)


def _below_common_folder(paths: list[Path]) -> list[str]:
    common = os.path.commonpath([path.parent for path in paths])
    return [os.path.relpath(path, common) for path in paths]


def _check_order(images: list[str], masks: list[str]) -> None:
    # <7> for 7 and 007 alike, so that scan1 is nearer to mask scan01 than to mask scan10.
    marked = [[re.sub(r"\d+", lambda n: f"<{int(n[0])}>", _stem(path)) for path in paths] for paths in (images, masks)]
    for i, name in enumerate(marked[0]):
        fit = [
            sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(name, m, strict=False))) for m in marked[1]
        ]
        if fit[i] < max(fit):
            better = masks[fit.index(max(fit))]
            expected = f"masks must sort like images, but {images[i]} looks like {better}"
            raise ValueError(f"{expected}. Received: {images[i]} with {masks[i]}")
