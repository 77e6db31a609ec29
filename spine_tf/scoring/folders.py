"""Scores a folder of predicted masks against a folder of true ones, paired by file name; no network is needed."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spine_tf.data.cases import grid_text
from spine_tf.data.verse_names import parse_name
from spine_tf.scans import ScanError, Volume, read_label_map, read_scan, same_grid
from spine_tf.scans.labels import spine_mask
from spine_tf.scoring.baselines import EVERYTHING, HU_THRESHOLD, baseline_masks
from spine_tf.scoring.table import SCORES, mean_rows, score_case, write_scores
from spine_tf.support.progress import progress_bar

PREDICTION = "_seg-spine_msk"
ROLE = "not stated"
"""Whether the network has seen a case in training: files do not tell."""


@dataclass(frozen=True)
class Pair:
    """A predicted mask with its truth and, where it is found, its CT, which only the HU threshold needs."""

    case_id: str
    prediction: Path
    truth: Path
    image: Path | None


def score_folder(predictions: Path, masks: Path, output: Path, images: Path | None = None) -> list[dict]:
    """Score every mask of a folder, and write scores.json and scores.csv.

    Args:
        predictions, masks, images: as `match_predictions`.
        output: folder of the scores.

    Returns:
        the rows of all cases (`score_pair`), then their means (`table.mean_rows`).

    Raises:
        ValueError: as `match_predictions`, before anything is scored.
        ScanError: as `score_pair`.

    Example:
        >>> import nibabel
        >>> block = np.zeros((9, 9, 9), np.uint8)
        >>> block[2:7, 2:7, 2:7] = 20
        >>> nibabel.save(nibabel.Nifti1Image(block, np.eye(4)), "a_seg-vert_msk.nii.gz")
        >>> nibabel.save(nibabel.Nifti1Image(block // 20, np.eye(4)), "a_seg-spine_msk.nii.gz")
        >>> score_folder(Path("."), Path("."), Path("out"))[0]["dice"]
        1.0
    """
    pairs = match_predictions(predictions, masks, images)
    rows = [row for pair in progress_bar(pairs, desc="scoring", unit="case") for row in score_pair(pair)]
    rows += mean_rows(rows)
    write_scores(output, rows)
    return rows


def match_predictions(predictions: Path, masks: Path, images: Path | None = None) -> list[Pair]:
    """Find the prediction of every true mask, by case.

    All folders are searched recursively. Predictions without a truth are left out.

    Args:
        predictions: folder with `<case>_seg-spine_msk.nii.gz`.
        masks: folder with `<case>_seg-vert_msk.nii.gz` or `<case>_seg.nii.gz`.
        images: where the CTs lie; by default `masks` and, beside VerSe's `derivatives`, its `rawdata`.

    Raises:
        ValueError: no truth, two files for one case, or predictions that are missing (all are named).
    """
    truths = _found(masks, "mask")
    predicted = _found(predictions, "prediction")
    if not truths:
        raise ValueError(f"masks must hold true masks (*_seg-vert_msk.nii.gz, *_seg.nii.gz). Received: none in {masks}")
    missing = sorted(set(truths) - set(predicted))
    if missing:
        expected = f"pred must hold <case>{PREDICTION}.nii.gz for each of the {len(truths)} masks"
        raise ValueError(f"{expected}. Received: {len(missing)} missing: {', '.join(missing)}")
    scans = {}
    for folder in (images,) if images else (masks, Path(masks).parent / "rawdata"):
        scans |= _found(folder, "ct")
    return [Pair(case, predicted[case], truths[case], scans.get(case)) for case in sorted(truths)]


def score_pair(pair: Pair) -> list[dict]:
    """Score one case: a row of the prediction and one of each baseline. Without a CT, the HU threshold's are NaN.

    Raises:
        ScanError: a file is unusable, or they do not share a grid (both grids are named).
    """
    truth_labels = read_label_map(pair.truth)
    prediction = _on_grid_of(truth_labels, read_label_map(pair.prediction), pair.case_id)
    truth, spacing_mm = spine_mask(truth_labels.array), truth_labels.spacing_mm
    masks = {"network": spine_mask(prediction.array)}
    if pair.image is not None:
        volume = _on_grid_of(truth_labels, read_scan(pair.image), pair.case_id)
        masks |= baseline_masks(volume.array, spacing_mm, truth)
    else:
        masks |= {HU_THRESHOLD: None, EVERYTHING: np.ones(truth.shape, bool)}
    unknown = dict.fromkeys(SCORES, np.nan)
    return [
        {"case": pair.case_id, "role": ROLE, "method": name}
        | (unknown if mask is None else score_case(truth, mask, spacing_mm))
        for name, mask in masks.items()
    ]


def _found(folder: Path, kind: str) -> dict[str, Path]:
    found = {}
    for parent, _, names in os.walk(folder, followlinks=True):
        for name in names:
            case_id = _case_of(name, kind)
            if case_id in found:
                raise ValueError(
                    f"{folder} must hold one file for {case_id}. Received: {found[case_id]} and {parent}/{name}"
                )
            if case_id is not None:
                found[case_id] = Path(parent) / name
    return found


def _case_of(name: str, kind: str) -> str | None:
    if kind == "prediction":
        case_id, mark, ending = name.partition(PREDICTION)
        return case_id if mark and ending in (".nii", ".nii.gz") and not name.startswith(".") else None
    parsed = parse_name(name)
    return parsed.case_id if parsed is not None and parsed.kind == kind else None


def _on_grid_of(truth: Volume, other: Volume, case_id: str) -> Volume:
    if not same_grid(truth, other):
        raise ScanError(
            f"{case_id}: all files of a case must share a grid. Received: {grid_text(truth)}; {grid_text(other)}"
        )
    return other
