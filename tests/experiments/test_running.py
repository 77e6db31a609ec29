import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from spine_tf.config import to_dict
from spine_tf.data.splits import Split, write_split
from spine_tf.experiments.cells import cell_config
from spine_tf.experiments.running import check_same, in_own_process, run_cell
from spine_tf.experiments.settings import base_config
from spine_tf.support.errors import RunError
from spine_tf.support.files import write_json
from spine_tf.training.run_folder import RunFolder
from tests.support.finished_runs import write_run
from tests.support.scans import bright_block_case

BASE = base_config("tiny", Path("runs"), None)
CONFIG = cell_config("3", "pspnet", BASE, 0)


@pytest.mark.slow
def test_a_trained_run_is_scored_and_its_checkpoints_go(threshold_run, tmp_path):
    run = tmp_path / "seed0"
    shutil.copytree(threshold_run, run)
    write_split(run / "split.json", Split([], [], [bright_block_case(tmp_path, "block")]))
    write_json(run / "config.json", to_dict(CONFIG))
    write_json(run / "report.json", {})
    (run / "checkpoints" / "epoch-0001").mkdir(parents=True)
    assert not RunFolder(run).evaluated
    assert run_cell(CONFIG, run, tmp_path)
    assert RunFolder(run).evaluated
    assert not (run / "checkpoints").exists()
    rows = json.loads((run / "evaluation" / "scores.json").read_text())
    assert next(row["dice"] for row in rows if row["method"] == "network") > 0.8
    scored = (run / "evaluation" / "scores.json").stat().st_mtime_ns
    assert not run_cell(CONFIG, run, tmp_path)
    assert (run / "evaluation" / "scores.json").stat().st_mtime_ns == scored


def test_a_run_of_other_settings_is_not_taken_for_this_one(tmp_path):
    run = write_run(tmp_path / "seed0", CONFIG, {"crop": 0.5}, (0.5,))
    check_same(run, CONFIG)
    check_same(run, replace(CONFIG, data=replace(CONFIG.data, cache=tmp_path)))
    other = replace(CONFIG, train=replace(CONFIG.train, seed=1, epochs=7))
    for refuse in (check_same, lambda *pair: run_cell(pair[1], pair[0], tmp_path)):
        with pytest.raises(RunError, match=r"runs must hold runs of the settings.*\['train.epochs', 'train.seed'\]"):
            refuse(run, other)
    check_same(tmp_path / "absent", other)


def test_a_run_that_is_killed_or_refused_leaves_a_sentence():
    with pytest.raises(RunError, match=r"the process of a run must live to its end.*no end of _exit"):
        in_own_process(os._exit, 9)
    with pytest.raises(ValueError, match="invalid literal for int"):
        in_own_process(int, "three")
