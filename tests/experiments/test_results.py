import json
from pathlib import Path

import pytest

from spine_tf.experiments.results import plateau_epoch, read_history, read_run, spread, summarise
from spine_tf.experiments.settings import base_config
from tests.support.finished_runs import write_run

BASE = base_config("small", Path("runs"), None)
CASES = {"crop": 0.8, "phantom1": 0.6, "phantom2": 0.4}


def test_a_run_is_read_with_the_losses_of_its_best_epoch_and_means_over_held_out_scans(tmp_path):
    run = read_run(write_run(tmp_path / "seed0", BASE, CASES, (0.2, 0.6)))
    assert (run["loss"], run["val_loss"]) == pytest.approx((0.2, 0.4))
    assert run["dice"] == pytest.approx(0.6)
    assert run["sources"] == pytest.approx({"a real CT": 0.8, "phantom (scoliosis_metal)": 0.5})
    assert run["baselines"] == {"HU threshold": {"a real CT": 0.5, "phantom (scoliosis_metal)": 0.5}}
    assert run["cases"] == CASES
    assert (run["minutes"], run["epochs"], run["best_epoch"], run["seed"]) == (1.5, 2, 2, 0)


def test_an_unfinished_run_is_none(tmp_path):
    folder = write_run(tmp_path / "seed0", BASE, CASES)
    (folder / "evaluation" / "evaluation.json").unlink()
    assert read_run(folder) is None
    assert summarise(tmp_path, (0, 1)) is None


def test_seeds_become_a_mean_and_a_spread(tmp_path):
    for seed, score in enumerate((0.5, 0.6, 0.7)):
        write_run(tmp_path / f"seed{seed}", BASE, {"crop": score})
    found = summarise(tmp_path, (0, 1, 2, 3))
    assert found["dice"] == pytest.approx({"mean": 0.6, "sd": 0.1, "n": 3})
    assert found["baselines"]["HU threshold"]["a real CT"]["sd"] == 0
    assert found["minutes"] == 4.5
    assert [run["dice"] for run in found["runs"]] == [0.5, 0.6, 0.7]


def test_no_folder_of_the_machine_is_in_a_summary(tmp_path):
    verse = tmp_path / "verse"
    write_run(tmp_path / "seed0", base_config("small", tmp_path, verse), {"crop": 0.5})
    found = summarise(tmp_path, (0,))
    assert found["config"]["data"]["data"] == "verse"
    assert str(tmp_path) not in json.dumps(found)


def test_a_spread_of_one_value_has_none_and_of_a_missing_one_is_none():
    assert spread([0.5]) == {"mean": 0.5, "sd": None, "n": 1}
    assert spread([0.5, None]) is None
    assert spread([0.5, float("nan")]) is None
    assert spread([]) is None


def test_a_plateau_is_the_epoch_after_which_nothing_is_gained():
    assert plateau_epoch([0.1, 0.5, 0.8, 0.805, 0.79, 0.809]) == 3
    assert plateau_epoch([0.1, 0.5, 0.8, 0.805, 0.79, 0.811]) == 4
    assert plateau_epoch([0.1, 0.5, 0.8, 0.805, 0.79, 0.82]) is None  # still rising in the last epoch
    assert plateau_epoch([0.1, 0.9, 0.2, 0.3]) == 2  # what has been reached counts
    assert plateau_epoch([0.5, 0.5]) == 1
    assert plateau_epoch([]) is None


def test_a_history_is_numbers(tmp_path):
    (tmp_path / "history.csv").write_text("epoch,loss,val_loss\n1,0.5,0.25\n2,0.125,\n")
    assert read_history(tmp_path) == [{"epoch": 1, "loss": 0.5, "val_loss": 0.25}, {"epoch": 2, "loss": 0.125}]
