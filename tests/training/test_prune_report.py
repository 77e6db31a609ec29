"""The verdict on a pruned run of a plain network."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from spine_tf.config import PruneSettings
from spine_tf.data.splits import read_split
from spine_tf.support.errors import RunError
from spine_tf.support.files import write_json
from spine_tf.training.prune_report import COSTS, control_dice, held_out_dice, verdict_text, write_verdict
from spine_tf.training.prune_settings import read_settings, write_settings
from tests.support.markdown import squeezed

ENVIRONMENT = {"cores": 2, "processor": "a processor"}


@pytest.fixture
def settings(pruned_run) -> PruneSettings:
    return read_settings(pruned_run)


@pytest.fixture
def pruned(pruned_run, tmp_path) -> Path:
    """A copy: a verdict writes into the run's folder."""
    return Path(shutil.copytree(pruned_run, tmp_path / "pruned"))


HALF = {"case2": 0.5, "case5": 0.5}


@pytest.fixture
def control(settings, tmp_path) -> Path:
    """What is read of a control run: its settings, and Dice 0.5 of both held-out cases in its report."""
    write_settings(tmp_path / "control", replace(settings, control=True))
    write_json(tmp_path / "control" / "report.json", {"verdict": {"dice": {"after": HALF}}})
    return tmp_path / "control"


def test_a_verdict_compares_a_pruned_run_with_its_source(pruned, plain_run, control):
    before = json.loads((pruned / "report.json").read_text())
    verdict = write_verdict(pruned, control, rounds=2)
    report = json.loads((pruned / "report.json").read_text())
    assert report == before | {"verdict": verdict}
    assert (verdict["filters"]["kept"], verdict["filters"]["filters"]) == (15, 27)
    costs = verdict["costs"]
    assert set(costs) == set(COSTS)
    # 1 x 1 of 3 to 6 in each view, normalisation, 3 x 3 of 18 to 6, 1 x 1 of 6 to 3; with biases.
    assert costs["parameters"]["before"] == 3 * (3 * 6 + 6) + 4 * 18 + (9 * 18 * 6 + 6) + (6 * 3 + 3)
    assert costs["multiply_adds"]["before"] == 32 * 32 * (3 * 3 * 6 + 9 * 18 * 6 + 6 * 3)
    kept = {row["layer"]: int(row["kept"]) for row in csv.DictReader((pruned / "layers.csv").open())}
    read, joined = sum(kept[f"{view}_conv"] for view in ("axial", "coronal", "sagittal")), kept["joined_conv"]
    assert costs["multiply_adds"]["after"] == 32 * 32 * (3 * read + 9 * read * joined + 3 * joined)
    assert costs["peak_memory_mib"]["before"] > costs["memory_above_start_mib"]["before"] > 0
    assert all(row["ratio"] > 0 for row in costs.values())
    assert {name: list(cases) for name, cases in verdict["dice"].items()} == dict.fromkeys(
        ("before", "pruned", "after", "control"), report["cases"]["test"]
    )
    assert verdict["dice"]["control"] == HALF
    assert verdict["dice"]["before"] == held_out_dice(plain_run, read_split(plain_run / "split.json").test)
    assert "| mean of 2 |" in squeezed((pruned / "verdict.md").read_text())
    assert (pruned / "kept.png").stat().st_size > 1000


def test_a_control_must_be_one_of_the_same_settings(settings, control):
    assert control_dice(control, replace(settings, amount=0.9)) == {"control": HALF}
    with pytest.raises(RunError, match=r"against must be a control with the same .*Received: other \['epochs'\]"):
        control_dice(control, replace(settings, epochs=3))
    write_json(control / "report.json", {})
    with pytest.raises(RunError, match="against must be a finished run"):
        control_dice(control, settings)
    write_settings(control, settings)
    with pytest.raises(RunError, match="against must be a run with --control"):
        control_dice(control, settings)


def test_a_run_without_report_has_no_verdict(settings, tmp_path):
    write_settings(tmp_path, settings)
    with pytest.raises(RunError, match=r"run must be finished \(report.json\)"):
        write_verdict(tmp_path)


def test_the_text_says_what_was_measured():
    costs = {name: {"before": 2000, "after": 500, "ratio": 0.25} for name in COSTS}
    filters = {
        "filters": 1200,
        "prunable": 1000,
        "kept": 700,
        "amount": 0.5,
        "amount_asked": 0.5,
        "difference": 2e-7,
        "calibration_triplets": 8,
        "whole": {"mask": "is an output of the model"},
    }
    scores = {"before": {"a": 0.8, "b": 0.6}, "pruned": {"a": 0.1, "b": 0.0}, "after": {"a": 0.79, "b": 0.61}}
    verdict = {"filters": filters, "costs": costs, "dice": scores, "environment": ENVIRONMENT}
    text = squeezed(verdict_text(PruneSettings(Path("runs/a")), verdict, epochs=3))
    assert "1,200 filters, 1,000 of them prunable, 700 kept. Removed: 50.0 %" in text
    assert "| parameters | 2,000 | 500 | 0.25 |" in text
    assert "| held-out case, Dice | before | pruned | fine-tuned |" in text
    assert "| b | 0.600 | 0.000 | 0.610 |" in text
    assert "| mean of 2 | 0.700 | 0.050 | 0.700 |" in text
    assert "- mask: is an output of the model" in text
    control = verdict | {"filters": None, "dice": {"before": {}, "after": {}}}
    text = verdict_text(PruneSettings(Path("runs/a"), control=True), control, epochs=3)
    assert text.startswith("# Trained further, nothing pruned (control): from a")
    assert "The run has kept no cases for the test" in text
