"""Pairs predictions with VerSe's truths by their file names."""

import os
from dataclasses import dataclass
from pathlib import Path

from spine_tf.data.centroids import Centroids, read_centroids
from spine_tf.data.verse import find_cases
from spine_tf.data.verse_names import FileName, parse_name
from spine_tf.scoring.folders import PREDICTION

LABELS, BINARY = "labels", "binary"


@dataclass(frozen=True)
class VersePair:
    """A prediction with its truth; centroids are None where there is no file of them."""

    case_id: str
    kind: str
    """LABELS or BINARY, by the prediction's file name."""
    prediction: Path
    truth: Path
    prediction_centroids: Centroids | None
    truth_centroids: Centroids | None


def match_verse(predictions: Path, data: Path) -> list[VersePair]:
    """Find the prediction of every truth of a VerSe root, by case; both folders are searched recursively.

    A prediction is a label map (`<case>_seg-vert_msk`, `<case>_seg`), beside which centroids may lie
    (`<case>_seg-subreg_ctd.json` and VerSe's other names), or a binary mask (`<case>_seg-spine_msk`). The name decides:
    a label map with a C1 alone and a binary mask look the same. Predictions without a truth are left out. Truths are
    those of `find_cases`, and masks whose CT is not there.

    Raises:
        ValueError: one folder inside the other, no truth, two masks or centroid files for one case, a centroid file
            that is refused, or predictions that are missing (all are named).
    """
    roots = [Path(predictions).resolve(), Path(data).resolve()]
    if roots[0] != roots[1] and (roots[0] in roots[1].parents or roots[1] in roots[0].parents):
        expected = "pred and data must not lie in each other: predicted and true label maps have the same names"
        raise ValueError(f"{expected}. Received: pred={predictions}, data={data}")
    truths = _find_truths(Path(data))
    masks, centroids = {}, {}
    for path in _files(Path(predictions)):
        name = parse_name(path.name)
        case_id, mark, ending = path.name.partition(PREDICTION)
        if name is not None and name.kind == "mask":
            _add(masks, name.case_id, (path, LABELS), predictions)
        elif name is not None and name.kind == "centroids":
            _add(centroids, name.case_id, (path,), predictions)
        elif mark and ending in (".nii", ".nii.gz") and not case_id.startswith("."):
            _add(masks, case_id, (path, BINARY), predictions)
    missing = sorted(set(truths) - set(masks))
    if missing:
        expected = f"pred must hold <case>_seg-vert_msk or <case>{PREDICTION} (.nii.gz) for each of {len(truths)} cases"
        raise ValueError(f"{expected} of {data}. Received: {len(missing)} missing: {', '.join(missing)}")
    pairs = []
    for case_id, (truth, truth_centroids) in sorted(truths.items()):
        path, kind = masks[case_id]
        # A binary mask has no vertebrae to place: centroids beside it are not read.
        found = [truth_centroids, *centroids.get(case_id, (None,))] if kind == LABELS else [None, None]
        theirs, ours = (None if file is None else read_centroids(file) for file in found)
        pairs.append(VersePair(case_id, kind, path, truth, ours, theirs))
    return pairs


def _find_truths(data: Path) -> dict[str, tuple[Path, Path | None]]:
    """Find mask and centroid file of each case that has a mask."""
    named = [(path, name) for path in _files(data) if (name := parse_name(path.name)) is not None]
    scans = [name for _, name in named if name.kind == "ct"]
    truths = {case.case_id: (case.mask, case.centroids) for case in (find_cases(data) if scans else ()) if case.mask}
    masks, centroids = {}, {}
    for path, name in named:
        if name.kind != "ct" and not _is_of_a_scan(name, scans):
            _add(masks if name.kind == "mask" else centroids, name.case_id, (path,), data)
    truths |= {case_id: (path, *centroids.get(case_id, (None,))) for case_id, (path,) in masks.items()}
    if not truths:
        raise ValueError(f"data must hold true masks (*_seg-vert_msk.nii.gz, *_seg.nii.gz). Received: none in {data}")
    return truths


def _is_of_a_scan(name: FileName, scans: list[FileName]) -> bool:
    """Tell whether `find_cases` decides about a file: a CT of its case, or a copy of its scan, is there."""
    return any(name.case_id == ct.case_id or (name.is_verse and name.series == ct.series) for ct in scans)


def _files(folder: Path) -> list[Path]:
    return sorted(Path(parent) / name for parent, _, names in os.walk(folder, followlinks=True) for name in names)


def _add(found: dict[str, tuple], case_id: str, entry: tuple, folder: Path) -> None:
    if case_id in found:
        raise ValueError(f"{folder} must hold one file for {case_id}. Received: {found[case_id][0]} and {entry[0]}")
    found[case_id] = entry
