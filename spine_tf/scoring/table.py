"""Makes tables of scores: a row for each case and method, their means, as text, Markdown, JSON and CSV."""

import csv
import io
import math
from pathlib import Path

import numpy as np

from spine_tf.scoring.overlap import dice, jaccard, slice_mean_dice, slice_mean_jaccard
from spine_tf.scoring.surface import surface_scores
from spine_tf.support import tables
from spine_tf.support.files import json_values, write_json, write_text

SCORES = {
    "dice": ("Dice", 3),
    "jaccard": ("Jaccard", 3),
    "slice_dice": ("slice Dice", 3),
    "slice_jaccard": ("slice Jaccard", 3),
    "hd95_mm": ("HD95 mm", 1),
    "surface_dice_1mm": ("sDice 1 mm", 3),
    "surface_dice_2mm": ("sDice 2 mm", 3),
    "truth_ml": ("truth ml", 1),
    "pred_ml": ("pred. ml", 1),
}
"""Each score of a row: heading and decimals. `slice_` are means over axial slices, an empty one counting 1."""

FACTS = ("case", "method", "role")

SCORES_JSON, SCORES_CSV, SCORES_MD = "scores.json", "scores.csv", "scores.md"
"""Files of scores: the rows twice (`write_scores`), and a table that whoever has them may write for readers."""


def score_case(truth: np.ndarray, mask: np.ndarray, spacing_mm: tuple[float, float, float]) -> dict[str, float]:
    """Compute all of SCORES for one mask; see `overlap` and `surface` for what empty masks score.

    Args:
        truth, mask: (x, y, z) bool.
        spacing_mm: voxel size along x, y, z.

    Raises:
        ValueError: another dtype than bool, or unequal shapes.

    Example:
        >>> truth = np.zeros((4, 4, 4), bool)
        >>> truth[1:3, 1:3, 1:3] = True
        >>> scores = score_case(truth, truth, (10.0, 10.0, 10.0))
        >>> scores["dice"], scores["hd95_mm"], float(scores["truth_ml"])
        (1.0, 0.0, 8.0)
    """
    # One memory order for both: a truth turned to RAS+ keeps its axes swapped in memory.
    truth, mask = np.ascontiguousarray(truth), np.ascontiguousarray(mask)
    voxel_ml = math.prod(spacing_mm) / 1000
    return {
        "dice": dice(truth, mask),
        "jaccard": jaccard(truth, mask),
        "slice_dice": slice_mean_dice(truth, mask),
        "slice_jaccard": slice_mean_jaccard(truth, mask),
        **surface_scores(truth, mask, spacing_mm),
        "truth_ml": np.count_nonzero(truth) * voxel_ml,
        "pred_ml": np.count_nonzero(mask) * voxel_ml,
    }


def mean_rows(rows: list[dict]) -> list[dict]:
    """Average the rows of each method and role.

    A mean with an infinite HD95 in it is infinite; NaN (a score that could not be computed) makes the mean NaN.

    Args:
        rows: with "case", "role", "method" and all of SCORES.

    Returns:
        a row for each method and role, whose "case" counts the cases: "mean of 3".

    Example:
        >>> rows = [{"role": "held out", "method": "network", **dict.fromkeys(SCORES, x)} for x in (0.5, 1.0)]
        >>> [(row["case"], row["dice"]) for row in mean_rows(rows)]
        [('mean of 2', 0.75)]
    """
    groups = {}
    for row in rows:
        groups.setdefault((row["role"], row["method"]), []).append(row)
    return [
        {"case": f"mean of {len(group)}", "role": role, "method": method}
        | {score: float(np.mean([float(row[score]) for row in group])) for score in SCORES}
        for (role, method), group in groups.items()
    ]


def format_table(rows: list[dict]) -> str:
    """Format rows as a table for the terminal, in aligned columns. Scores that are not known are "-".

    Example:
        >>> print(format_table([{"case": "a", "method": "network", "role": "held out", "dice": 0.5}]))
        case    method    role        Dice ...
        ------  --------  --------  ------ ...
        a       network   held out   0.500 ...
    """
    return tables.plain_table(_table(rows))


def markdown_table(rows: list[dict]) -> str:
    """Format rows as a Markdown table, numbers to the right.

    Example:
        >>> print(markdown_table([{"case": "a", "method": "network", "role": "held out", "dice": 0.5}]))
        | case   | method   | role     |   Dice | ...
        |:-------|:---------|:---------|-------:|...
        | a      | network  | held out |  0.500 | ...
    """
    return tables.markdown_table(_table(rows))


def write_scores(folder: Path, rows: list[dict]) -> None:
    """Write the rows to scores.json (a list) and scores.csv; "inf" and "nan" are text in both, as JSON has neither.

    The columns are those of all rows in order of their appearance; where a row has none, the CSV's cell is empty.

    Example:
        >>> write_scores(Path("out"), [{"case": "a", "dice": 0.5}, {"case": "b", "hd95_mm": math.inf}])
        >>> Path("out/scores.csv").read_text().split()
        ['case,dice,hd95_mm', 'a,0.5,', 'b,,inf']
    """
    rows = json_values(rows)
    write_json(Path(folder) / SCORES_JSON, rows)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    table = csv.DictWriter(text, columns, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_text(Path(folder) / SCORES_CSV, text.getvalue())


def _table(rows: list[dict]) -> tables.Table:
    headings = [*FACTS, *(heading for heading, _ in SCORES.values())]
    return tables.Table(headings, [_cells(row) for row in rows], "l" * len(FACTS) + "r" * len(SCORES))


def _cells(row: dict) -> list[str]:
    scores = [(float(row.get(name, "nan")), decimals) for name, (_, decimals) in SCORES.items()]
    return [
        *(str(row.get(fact, "")) for fact in FACTS),
        *("-" if math.isnan(value) else f"{value:.{decimals}f}" for value, decimals in scores),
    ]
