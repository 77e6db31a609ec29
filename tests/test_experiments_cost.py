from dataclasses import replace
from pathlib import Path

import pytest

from spine_tf.experiments.cells import cell_config
from spine_tf.experiments.cost import cost_text, missing_minutes, run_minutes
from spine_tf.experiments.running import DONE
from spine_tf.experiments.settings import SEEDS, base_config

BASE = base_config("small", Path("runs"), None)


def test_minutes_of_a_run_are_those_of_its_triplets():
    config = cell_config("3", "linknet", BASE, 0)
    # 10 epochs of 16 cases, 4 triplets each; 4 phantoms of 16 triplets an epoch and 64 at the end; 5 scans of 64.
    trained, predicted = 10 * 16 * 4, 4 * (10 * 16 + 64) + 5 * 64
    assert run_minutes(config) == pytest.approx((trained * 0.108 + predicted * 0.027 + 40) / 1.7 / 60)
    longer = replace(config, train=replace(config.train, epochs=50))
    assert run_minutes(config) < run_minutes(longer) < 2 * run_minutes(config)
    assert run_minutes(replace(config, data=replace(config.data, data=Path("verse")))) is None


def test_tables_3_to_6_fit_three_hours_on_small(tmp_path):
    runs, minutes = missing_minutes(("3", "4", "5", "6"), BASE, tmp_path, SEEDS["small"])
    assert runs == 3 * (4 + 3 + 2 + 3)
    assert 120 < minutes <= 180


def test_what_is_done_costs_nothing_and_shared_runs_count_once(tmp_path):
    for name in DONE:
        (tmp_path / "table3" / "linknet" / "seed0" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "table3" / "linknet" / "seed0" / name).write_text("{}")
    assert missing_minutes(("3",), BASE, tmp_path, (0,), ("linknet",)) == (0, 0)
    assert missing_minutes(("3", "4", "6"), BASE, tmp_path, (0,))[0] == 3 + 3 + 3
    assert cost_text("4", BASE, tmp_path, (0,), ("resnet34",)) == ""
    assert cost_text("3", BASE, tmp_path, (0,)).startswith("table 3: 3 runs to do, about ")
    assert cost_text("ablation", BASE, tmp_path, (0,)) == "table ablation: 8 runs to do\n"
    assert cost_text("1", BASE, tmp_path, (0,)) == ""
