"""What `gpu-check` tries, how it ends, and what it writes."""

import json
import os
import time
from dataclasses import replace

import pytest

from spine_tf.cli.command import main
from spine_tf.cli.common import DONE
from spine_tf.config import TrainConfig
from spine_tf.experiments.gpu_check import check_machine, has_failed, in_child, write_report
from spine_tf.experiments.gpu_trials import PRECISIONS, Trial, make_trials, outcome


def test_every_flag_is_tried_in_each_precision_and_nothing_twice():
    trials = make_trials("tiny", 2)
    assert len(set(trials)) == len(trials)
    names = [trial.name for trial in trials]
    for precision in PRECISIONS:
        for words in ("", ", XLA", ", accumulate 2", ", XLA, accumulate 2", ", mirrored", ", deterministic"):
            assert precision + words in names
        assert f"scoring of filters, {precision}, deterministic" in names
    assert "overflow on one device, mixed_float16, mirrored" in names
    assert {"mixed_float16, XLA, adam", "mixed_float16, rmsprop"} <= set(names)
    # With one GPU there is no other that could overflow.
    assert not [trial for trial in make_trials("tiny", 1) if trial.what == "overflow"]


def test_what_several_devices_refuse_is_expected_of_several_alone():
    mirrored = Trial(TrainConfig(mirrored=True, accumulate=2))
    assert mirrored.is_refused(2)
    assert not mirrored.is_refused(1)
    assert not replace(mirrored, train=TrainConfig(accumulate=2)).is_refused(2)


def _die() -> None:
    os._exit(7)


def _hang() -> None:
    time.sleep(600)


def test_a_child_answers_or_dies_or_is_ended():
    assert in_child(divmod, (7, 2), 60) == (3, 1)
    with pytest.raises(ChildProcessError, match="exit code 7"):
        in_child(_die, (), 60)
    with pytest.raises(TimeoutError, match="no answer after 2 s"):
        in_child(_hang, (), 2)


def test_an_error_is_a_row_with_its_first_line():
    row = in_child(outcome, (Trial(preset="absent"), 0), 120)
    assert row == {"result": "FAILED", "error": "KeyError: 'absent'"}


@pytest.mark.slow
def test_a_refusal_and_a_step_on_this_machine(tmp_path, capsys):
    args = [
        "gpu-check",
        "--only",
        "float32, accumulate 2",
        "--presets",
        "--max-minutes",
        "6",
        "--output",
        str(tmp_path),
    ]
    assert main(args) == DONE
    (row,) = json.loads((tmp_path / "gpu_check.json").read_text())["rows"]
    assert (row["name"], row["result"], row["error"]) == ("float32, accumulate 2", "passed", "")
    # Three batches: two make an update, and one is left.
    assert (row["steps"], row["updates"]) == (3, 1)
    assert row["first_step_seconds"] > row["step_seconds"] > 0
    shown, stored = capsys.readouterr().out, (tmp_path / "gpu_check.md").read_text()
    for text in (shown, stored):
        assert "float32, accumulate 2" in text
        assert "tensorflow 2.21" in text
    refused = in_child(outcome, (Trial(TrainConfig(mirrored=True, accumulate=2)), 0), 120)
    assert refused["result"] == "refused"
    assert "accumulate must be off with several devices" in refused["error"]


def test_what_there_is_no_time_for_is_listed(tmp_path):
    row = {"name": "float32", "preset": "tiny", "steps": 3, "result": "not run", "error": "no time left"}
    machine = {"gpus": ["A card"], "spine_tf": "1", "git_commit": "a", "python": "3", "processor": "a CPU", "cores": 2}
    machine |= {"system": "Linux", "versions": {"tensorflow": "2", "keras": "3", "numpy": "2"}}
    report = {"machine": machine, "minutes": 0.1, "rows": [row]}
    assert not has_failed(report)
    assert has_failed(report | {"rows": [row, row | {"result": "FAILED"}]})
    shown = write_report(report, tmp_path)
    assert "1 GPU: A card" in shown
    assert "not run" in shown


@pytest.mark.slow
def test_every_trial_passes_on_this_machine():
    report = check_machine(max_minutes=60)
    rows = {row["name"]: row["result"] for row in report["rows"]}
    assert [(row["name"], row["error"]) for row in report["rows"] if row["result"] in ("FAILED", "not run")] == []
    assert "refused" in rows.values()
    print(report["minutes"], "minutes")
