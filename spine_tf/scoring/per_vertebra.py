"""Scores each vertebra of a label map, and averages by case, label and region of the spine."""

from collections.abc import Iterable

import numpy as np
from scipy import ndimage

from spine_tf.scans.labels import L6, NAMES, REGIONS, T13, spine_mask
from spine_tf.scoring.overlap import dice
from spine_tf.scoring.surface import distance_to, surface_scores

SURPLUS = (T13, L6)
SCORED_REGIONS = {name: tuple(sorted({*labels} - {*SURPLUS})) for name, labels in REGIONS.items()} | {
    NAMES[label]: (label,) for label in SURPLUS
}
"""VerSe ids of each region. T13 and L6, which few people have and most networks miss, stand alone."""

MASK_SCORES = ("vertebra_dice", "hd_mm", "hd95_mm", "surface_dice_1mm", "surface_dice_2mm")
MISSED = {"missed": 1} | dict(zip(MASK_SCORES, (0.0, np.nan, np.nan, 0.0, 0.0), strict=True))
"""What a vertebra scores that was not predicted: it has no distance."""


def vertebra_scores(
    truth: np.ndarray, prediction: np.ndarray, spacing_mm: tuple[float, float, float]
) -> tuple[dict[int, dict], list[int]]:
    """Score each vertebra of the truth, and name the predicted ones that the truth does not have.

    A missed vertebra has Dice and surface Dice 0 and no Hausdorff distance (NaN). Hausdorff distance (`hd_mm`) and its
    95th percentile are of the surfaces, as in `surface`; ids 26, 27 and above 28 are background on both sides.

    Args:
        truth, prediction: label maps (x, y, z) with VerSe ids, on one grid.
        spacing_mm: voxel size along x, y, z.

    Returns:
        label -> MASK_SCORES and "missed" (1 or 0), for the labels of the truth; and the extra labels.

    Raises:
        ValueError: unequal shapes.
    """
    if truth.shape != prediction.shape:
        raise ValueError(f"prediction must have the truth's shape {truth.shape}. Received: shape {prediction.shape}")
    maps = [np.where(spine_mask(labels), labels, 0) for labels in (truth, prediction)]
    true_boxes, boxes = ({i: b for i, b in enumerate(ndimage.find_objects(m), start=1) if b} for m in maps)
    scores = {}
    for label, box in true_boxes.items():
        if label not in boxes:
            scores[label] = dict(MISSED)
            continue
        around = tuple(
            slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(box, boxes[label], strict=True)
        )
        pair = [np.ascontiguousarray(labels[around] == label) for labels in maps]
        scores[label] = {
            "missed": 0,
            "vertebra_dice": dice(*pair),
            "hd_mm": _hausdorff_mm(*pair, spacing_mm),
            **surface_scores(*pair, spacing_mm),
        }
    return scores, sorted(set(boxes) - set(true_boxes))


def summary(rows: Iterable[dict]) -> dict:
    """Count and average rows of single vertebrae, each with MASK_SCORES, "missed", "hit" and "distance_mm".

    NaN are left out of every mean, and a mean of nothing is NaN: the Hausdorff distances are means over the vertebrae
    that were found, so "missed" belongs beside them; `d_mean_mm` is over those with a centroid on both sides.

    Returns:
        "vertebrae" in the true label maps, "missed" of them, means of MASK_SCORES; "located": true centroids, "hits"
        among them, "id_rate" (their share) and "d_mean_mm".
    """
    columns = {name: [row[name] for row in rows] for name in (*MASK_SCORES, "missed", "hit", "distance_mm")}
    return {
        "vertebrae": len(_known(columns["missed"])),
        "missed": int(sum(_known(columns["missed"]))),
        **{name: mean(columns[name]) for name in MASK_SCORES},
        "located": len(_known(columns["hit"])),
        "hits": int(sum(_known(columns["hit"]))),
        "id_rate": mean(columns["hit"]),
        "d_mean_mm": mean(columns["distance_mm"]),
    }


def label_rows(rows: list[dict]) -> list[dict]:
    """Make a row for each label found in rows of single vertebrae: their `summary` over the cases."""
    labels = sorted({row["label"] for row in rows})
    return [
        {"table": "label", "label": label, "name": NAMES[label]}
        | summary([row for row in rows if row["label"] == label])
        for label in labels
    ]


def region_rows(rows: list[dict]) -> list[dict]:
    """Make a row for each of SCORED_REGIONS that has a vertebra, and one for all of them.

    MASK_SCORES are means over the cases of a label, then over labels (as CTSpine1K scores VerSe, arXiv:2105.14711);
    "id_rate" and "d_mean_mm" are over all vertebrae of the region at once.
    """
    made = []
    for name, labels in (SCORED_REGIONS | {"all labels": sum(SCORED_REGIONS.values(), ())}).items():
        members = [row for row in rows if row["label"] in labels]
        by_label = label_rows(members)
        if members:
            means = {score: mean([row[score] for row in by_label]) for score in MASK_SCORES}
            made.append({"table": "region", "name": name, "labels": len(by_label)} | summary(members) | means)
    return made


def mean(values: Iterable[float]) -> float:
    """Average the values that are not NaN; NaN where there are none."""
    known = _known(values)
    return float(np.mean(known)) if known else np.nan


def _known(values: Iterable[float]) -> list[float]:
    return [value for value in values if not np.isnan(value)]


def _hausdorff_mm(truth: np.ndarray, mask: np.ndarray, spacing_mm: tuple[float, float, float]) -> float:
    """Measure the largest distance from a surface element of either mask, neither empty, to the other's nearest."""
    # Not by the package that defines the elements: with one stray voxel at the other end of a scan it would need 64
    # bytes for each voxel between.
    surfaces = [_surface(truth), _surface(mask)]
    away = (distance_to(to, spacing_mm)[here].max() for to, here in (surfaces, reversed(surfaces)))
    return round(float(max(away)), 4)


def _surface(mask: np.ndarray) -> np.ndarray:
    """Find the corners whose eight voxels are neither all in the mask nor all outside: (x+1, y+1, z+1) bool."""
    padded = np.pad(mask, 1)
    some, every = padded, padded
    for axis in range(3):
        first, second = ([slice(None)] * axis + [side] for side in (slice(None, -1), slice(1, None)))
        some, every = some[*first] | some[*second], every[*first] & every[*second]
    return some & ~every
