from pathlib import Path

import pytest

from spine_tf.config import with_changes
from spine_tf.experiments.cells import cell_config
from spine_tf.experiments.cost import CPU_MINUTES, cost_text, missing_minutes, run_minutes
from spine_tf.experiments.settings import SEEDS, base_config

BASE = base_config("small", Path("runs"), None)


def test_minutes_are_those_measured_of_such_a_run():
    config = cell_config("3", "linknet", BASE, 0)
    assert run_minutes(config) == CPU_MINUTES["linknet resnet34"]
    assert run_minutes(cell_config("6", "neither", BASE, 1)) == CPU_MINUTES["linknet resnet34"]
    for changed in (
        with_changes(config, train={"epochs": 50}),
        with_changes(config, data={"data": Path("verse")}),
        cell_config("ablation", "proposed", BASE, 0),
    ):
        assert run_minutes(changed) is None


def test_minutes_of_tables_are_those_of_their_runs(tmp_path):
    runs, minutes = missing_minutes(("3", "4", "5", "6"), BASE, tmp_path, SEEDS["small"])
    assert runs == 3 * (4 + 3 + 2 + 3)
    # Of LinkNet-34 Table 3 has one run and Table 6 three more; of EfficientNetB7 Table 4 has one and Table 5 two more.
    times = {"linknet resnet34": 4, "linknet efficientnetb7": 3}
    assert minutes == pytest.approx(3 * sum(times.get(name, 1) * each for name, each in CPU_MINUTES.items()))


def test_what_is_done_costs_nothing_and_shared_runs_count_once(tmp_path):
    run = tmp_path / "table3" / "linknet" / "seed0"
    (run / "evaluation").mkdir(parents=True)
    for name in ("report.json", "evaluation/evaluation.json"):
        (run / name).write_text("{}")
    assert missing_minutes(("3",), BASE, tmp_path, (0,), ("linknet",)) == (0, 0)
    assert missing_minutes(("3", "4", "6"), BASE, tmp_path, (0,))[0] == 3 + 3 + 3
    assert cost_text("4", BASE, tmp_path, (0,), ("resnet34",)) == ""
    three = (CPU_MINUTES[f"{network} resnet34"] for network in ("fpn", "pspnet", "unet"))
    assert cost_text("3", BASE, tmp_path, (0,)) == f"table 3: 3 runs to do, about {sum(three):.0f} minutes of CPU\n"
    assert cost_text("ablation", BASE, tmp_path, (0,)) == "table ablation: 8 runs to do\n"
    assert cost_text("1", BASE, tmp_path, (0,)) == ""
