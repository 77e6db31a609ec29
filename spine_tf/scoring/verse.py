"""Scores a folder of predictions as VerSe does: each vertebra, its place and name, and the whole mask at 1 mm.

Dice of the whole mask and Dice per vertebra are two quantities: no column holds both.
"""

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from spine_tf.data.cases import grid_text
from spine_tf.data.centroids import centroids_mm, label_centroids, reorient_centroids
from spine_tf.scans import ScanError, Volume, read_label_map, same_grid
from spine_tf.scans.labels import VERTEBRAE, spine_mask
from spine_tf.scoring.identification import identify
from spine_tf.scoring.overlap import dice
from spine_tf.scoring.per_vertebra import MASK_SCORES, label_rows, mean, region_rows, summary, vertebra_scores
from spine_tf.scoring.table import write_scores
from spine_tf.scoring.verse_pairs import BINARY, VersePair, match_verse
from spine_tf.support.progress import progress_bar

NOT_APPLICABLE = "not applicable"
"""What a binary mask scores per vertebra."""

FROM_JSON, FROM_MAP = "JSON", "label map"


def score_verse(predictions: Path, data: Path, output: Path) -> list[dict]:
    """Score every case of a VerSe root, and write scores.json and scores.csv.

    Args:
        predictions, data: as `match_verse`.
        output: folder of the scores.

    Returns:
        all rows. "table" tells what a row is: "vertebra" (one of a case), "case", "mean" (over the cases), "label",
        "region".

    Raises:
        ValueError: as `match_verse`, before anything is scored.
        ScanError: as `score_verse_pair`.
    """
    cases, vertebrae = [], []
    for pair in progress_bar(match_verse(predictions, data), desc="scoring", unit="case"):
        case, rows = score_verse_pair(pair)
        cases.append(case)
        vertebrae += rows
    rows = [*vertebrae, *cases, _mean_case(cases), *label_rows(vertebrae), *region_rows(vertebrae)]
    write_scores(output, rows)
    return rows


def score_verse_pair(pair: VersePair) -> tuple[dict, list[dict]]:
    """Score a case: its row, and one for each of its vertebrae (none for a binary mask).

    Label maps are compared on the truth's own grid, the whole mask at 1 mm. Centroids are those of the files; where
    there is none, the label map's centres of mass, which lie 10 to 15 mm behind VerSe's middles of bodies:
    `d_floor_mm` is how far the truth's own centres of mass are from its file, where the prediction has none.

    Files along the same axes are compared as they are, whatever the axes of the label maps. A prediction's file along
    other axes than the truth's is turned by the organisers' rule `size - c` (see `reorient_centroids`): exact for one
    that their tools turned, one voxel off along each turned axis for one made anew from turned voxels.

    Raises:
        ScanError: a file is unusable, the two do not share a grid (both are named), or a binary mask holds labels.
    """
    truth, prediction = read_label_map(pair.truth), read_label_map(pair.prediction)
    if not same_grid(truth, prediction):
        raise ScanError(
            f"{pair.case_id}: {pair.prediction} and {pair.truth} must share a grid. "
            f"Received: prediction {grid_text(prediction)}; truth {grid_text(truth)}"
        )
    whole = dice_at_1mm(spine_mask(truth.array), spine_mask(prediction.array), truth.spacing_mm)
    case = {"table": "case", "case": pair.case_id, "prediction": pair.kind, "whole_dice_1mm": whole}
    if pair.kind == BINARY:
        if prediction.array.max() > 1:
            expected = f"{pair.case_id}: {pair.prediction} must hold 0 and 1 alone; label maps are named _seg-vert_msk"
            raise ScanError(f"{expected}. Received: label {prediction.array.max()}")
        names = ("truth_centroids", "pred_centroids", *summary([]), "extra", "d_floor_mm")
        return case | dict.fromkeys(names, NOT_APPLICABLE), []
    scores, extra = vertebra_scores(truth.array, prediction.array, truth.spacing_mm)
    places, d_floor_mm = _identify(pair, truth, prediction)
    unknown = dict.fromkeys((*MASK_SCORES, "missed", "hit", "distance_mm"), np.nan)
    rows = [
        {"table": "vertebra", "case": pair.case_id, "label": label}
        | unknown
        | scores.get(label, {})
        | places.get(label, {})
        for label in sorted({*scores, *places})
    ]
    case |= {
        "truth_centroids": FROM_JSON if pair.truth_centroids else FROM_MAP,
        "pred_centroids": FROM_JSON if pair.prediction_centroids else FROM_MAP,
        **summary(rows),
        "extra": len(extra),
        "d_floor_mm": d_floor_mm,
    }
    return case, rows


def dice_at_1mm(truth: np.ndarray, mask: np.ndarray, spacing_mm: tuple[float, float, float]) -> float:
    """Compute the Dice of two masks, both resampled to 1 mm on one grid; 1 when both are empty.

    The organisers score at 1 mm, where the annotation was made. Their grid and this one differ by less than a voxel:
    here it has the middle of the scan for its own. The nearest voxel counts.

    Args:
        truth, mask: (x, y, z) bool.
        spacing_mm: voxel size along x, y, z.
    """
    return dice(_at_1mm(truth, spacing_mm), _at_1mm(mask, spacing_mm))


def _at_1mm(mask: np.ndarray, spacing_mm: tuple[float, float, float]) -> np.ndarray:
    image = sitk.GetImageFromArray(np.ascontiguousarray(mask).view(np.uint8))
    # SimpleITK counts axes from the last one of the array.
    spacing_mm = [float(s) for s in reversed(spacing_mm)]
    image.SetSpacing(spacing_mm)
    size = [max(1, round(n * s)) for n, s in zip(image.GetSize(), spacing_mm, strict=True)]
    origin = [((n - 1) * s - (m - 1)) / 2 for n, s, m in zip(image.GetSize(), spacing_mm, size, strict=True)]
    grid = (sitk.Transform(), sitk.sitkNearestNeighbor, origin, (1.0, 1.0, 1.0), image.GetDirection(), 0)
    return sitk.GetArrayFromImage(sitk.Resample(image, size, *grid)).astype(bool)


def _identify(pair: VersePair, truth: Volume, prediction: Volume) -> tuple[dict[int, dict], float]:
    """Give hit and distance by label, and the least mean distance that centres of mass can have."""
    from_map = label_centroids(truth)
    theirs = pair.truth_centroids or from_map
    ours = pair.prediction_centroids
    if ours is None:
        ours = label_centroids(prediction)
    elif ours.direction != theirs.direction:
        ours = reorient_centroids(ours, theirs.direction, truth)
    true_mm, found_mm, map_mm = (
        {label: place for label, place in centroids_mm(c, volume).items() if label in VERTEBRAE}
        for c, volume in ((theirs, truth), (ours, prediction), (from_map, truth))
    )
    unfair = pair.truth_centroids is not None and pair.prediction_centroids is None
    floor = mean(place["distance_mm"] for place in identify(true_mm, map_mm).values()) if unfair else np.nan
    return identify(true_mm, found_mm), floor


def _mean_case(cases: list[dict]) -> dict:
    """Average each score over the cases to which it applies; sum what is counted."""
    row = {"table": "mean", "case": f"mean of {len(cases)}"}
    for name in cases[0]:
        values = [case[name] for case in cases if not isinstance(case[name], str)]
        if values:
            row[name] = sum(values) if isinstance(values[0], int) else mean(values)
        elif name not in ("table", "case", "prediction", "truth_centroids", "pred_centroids"):
            row[name] = NOT_APPLICABLE
    return row
