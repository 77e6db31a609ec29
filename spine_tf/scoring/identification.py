"""Scores VerSe's identification: is each vertebra found at its place under its own name?

Source: the organisers' public code (github.com/anjany/verse, utils/eval_utilities.py). It holds no mean localisation
distance, which the challenge's pages report: here it is the mean over the vertebrae that both sides name.
"""

import numpy as np

HIT_MM = 20.0


def identify(truth_mm: dict[int, np.ndarray], prediction_mm: dict[int, np.ndarray]) -> dict[int, dict[str, float]]:
    """Tell for each true vertebra whether its prediction is a hit, and how far away it is.

    Among the labels that both have, a vertebra is a hit when the truth nearest to its prediction is its own and at
    most HIT_MM away; of two that are equally near, the lower label counts as the nearest. A vertebra that was not
    predicted is a miss. A prediction without a truth costs nothing.

    Args:
        truth_mm, prediction_mm: label -> (3,) in mm, in the same frame.

    Returns:
        label -> "hit" (1 or 0) and "distance_mm" (NaN without a prediction), for the labels of the truth.

    Example:
        >>> identify({20: np.zeros(3), 21: np.full(3, 50.0)}, {20: np.array([3.0, 4.0, 0.0])})
        {20: {'hit': 1, 'distance_mm': 5.0}, 21: {'hit': 0, 'distance_mm': nan}}
    """
    found = {label: {"hit": 0, "distance_mm": np.nan} for label in sorted(truth_mm)}
    common = sorted(set(truth_mm) & set(prediction_mm))
    if not common:
        return found
    truth, prediction = (np.array([side[label] for label in common], float) for side in (truth_mm, prediction_mm))
    # (predictions, truths); to a tenth of a micron, so that 20 mm in a float32 header are 20 mm.
    away = np.round(np.linalg.norm(prediction[:, None] - truth[None], axis=2), 4)
    for i, (label, nearest) in enumerate(zip(common, away.argmin(axis=1), strict=True)):
        found[label] = {"hit": int(nearest == i and away[i, i] <= HIT_MM), "distance_mm": float(away[i, i])}
    return found
