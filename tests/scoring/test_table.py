import csv
import json

import numpy as np
import pytest

from spine_tf.scoring.table import SCORES, format_table, markdown_table, mean_rows, score_case, write_scores
from tests.support.markdown import cells


def row(case, method="network", role="held out", **scores):
    return {"case": case, "method": method, "role": role} | dict.fromkeys(SCORES, 0.5) | scores


def test_all_scores_of_a_case():
    truth, mask = np.zeros((10, 10, 10), bool), np.zeros((10, 10, 10), bool)
    truth[2:6, 2:6, 2:6] = True
    mask[2:6, 2:6, 2:4] = True
    scores = score_case(truth, mask, (1.0, 1.0, 2.0))
    assert list(scores) == list(SCORES)
    assert scores["dice"] == pytest.approx(2 / 3)
    assert scores["jaccard"] == pytest.approx(1 / 2)
    # Of ten axial slices two are missed, two are right and six are empty in both.
    assert scores["slice_dice"] == scores["slice_jaccard"] == pytest.approx(0.8)
    assert scores["hd95_mm"] == pytest.approx(4.0)
    # 64 voxels of 2 cubic millimetres.
    assert scores["truth_ml"] == pytest.approx(0.128)
    assert scores["pred_ml"] == pytest.approx(0.064)


def test_means_are_by_method_and_role():
    rows = [
        row("a", dice=0.8),
        row("a", "everything foreground", dice=0.2),
        row("b", dice=0.6),
        row("b", "everything foreground", dice=0.4),
        row("c", role="seen in training", dice=1.0),
    ]
    means = mean_rows(rows)
    assert [(m["case"], m["method"], m["role"], round(m["dice"], 3)) for m in means] == [
        ("mean of 2", "network", "held out", 0.7),
        ("mean of 2", "everything foreground", "held out", 0.3),
        ("mean of 1", "network", "seen in training", 1.0),
    ]


def test_a_missed_spine_stays_in_the_mean():
    (mean,) = mean_rows([row("a", hd95_mm=1.0), row("b", hd95_mm=np.inf)])
    assert mean["hd95_mm"] == np.inf


def test_the_table_is_aligned():
    rows = [row("a", dice=0.98765, hd95_mm=123.46), row("longer-name", "everything foreground", hd95_mm=np.inf)]
    head, line, first, second = format_table(rows).splitlines()
    assert len({len(text) for text in (head, line, first, second)}) == 1
    assert head.split()[:4] == ["case", "method", "role", "Dice"]
    assert first.split()[:5] == ["a", "network", "held", "out", "0.988"]
    assert "123.5" in first
    assert "inf" in second


def test_what_is_not_known_is_a_dash():
    assert format_table([row("a", dice=np.nan)]).splitlines()[2].split()[4] == "-"


def test_markdown():
    head, line, first = map(cells, markdown_table([row("a", dice=0.98765)]).splitlines())
    assert head[:6] == ["case", "method", "role", "Dice", "Jaccard", "slice Dice"]
    assert [cell.endswith("-:") for cell in line] == [False] * 3 + [True] * len(SCORES)
    assert first[:5] == ["a", "network", "held out", "0.988", "0.500"]
    assert len(head) == len(line) == len(first)


def test_json_and_csv_say_the_same(tmp_path):
    rows = [row("a", dice=np.float64(0.25), source="made, here"), row("b", hd95_mm=np.inf, dice=np.nan)]
    write_scores(tmp_path / "new", rows)
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == ["scores.csv", "scores.json"]
    stored = json.loads((tmp_path / "new" / "scores.json").read_text())
    assert stored[0] == row("a", dice=0.25, source="made, here")
    assert (stored[1]["hd95_mm"], stored[1]["dice"]) == ("inf", "nan")
    with open(tmp_path / "new" / "scores.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["source"] for line in lines] == ["made, here", ""]
    assert [float(line["hd95_mm"]) for line in lines] == [0.5, np.inf]
    # The stored rows are a table again.
    assert format_table(stored) == format_table(rows)
