"""scripts/train.py as a user runs it, killed in mid-epoch and resumed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest

import spine_tf.models
import spine_tf.training.fit  # noqa: F401  both register what the checkpoints hold
from spine_tf.training.checkpoint_files import latest_checkpoint
from tests.support.paths import SCRIPTS

SCRIPT = SCRIPTS / "train.py"
FLAGS = (
    *("--preset", "tiny", "--epochs", "3", "--triplets-per-case", "32", "--plateau-patience", "1"),
    *("--deterministic", "--min-box-mm", "10", "--learning-rate", "0.01"),
)


def _command(scans: Path, run: Path, *more: str) -> list[str]:
    globs = ("--images", str(scans / "ct" / "*.nii.gz"), "--masks", str(scans / "masks" / "*.nii.gz"))
    return [sys.executable, str(SCRIPT), "--run", str(run), *FLAGS, *globs, "--val-fraction", "0.25", *more]


def _start(command: list[str], log: Path) -> subprocess.Popen:
    return subprocess.Popen(
        command, stdout=log.open("w"), stderr=subprocess.STDOUT, env={**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    )


@pytest.mark.slow
def test_killed_in_mid_epoch_and_resumed_is_bit_equal_to_uninterrupted(six_scans, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole_run = _start(_command(six_scans, whole), tmp_path / "whole.log")
    first = _start(_command(six_scans, parts), tmp_path / "first.log")
    deadline = time.monotonic() + 240
    while latest_checkpoint(parts) is None:
        assert first.poll() is None, (tmp_path / "first.log").read_text()
        assert time.monotonic() < deadline, (tmp_path / "first.log").read_text()
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert latest_checkpoint(parts).name == "epoch-0001"
    assert not (parts / "report.json").exists()

    resumed = _start([sys.executable, str(SCRIPT), "--run", str(parts), "--resume"], tmp_path / "resumed.log")
    assert resumed.wait(timeout=240) == 0, (tmp_path / "resumed.log").read_text()
    assert whole_run.wait(timeout=240) == 0, (tmp_path / "whole.log").read_text()

    a, b = (keras.saving.load_model(latest_checkpoint(run) / "model.keras") for run in (whole, parts))
    for one, two in zip(a.variables + a.optimizer.variables, b.variables + b.optimizer.variables, strict=True):
        if "seed_generator_state" not in one.path:  # a .keras file does not hold it; state.json does
            np.testing.assert_array_equal(np.asarray(one), np.asarray(two), err_msg=one.path)
    states = [json.loads((latest_checkpoint(run) / "state.json").read_text()) for run in (whole, parts)]
    assert all(state.pop("seconds") > 0 for state in states)  # measured, so never the same
    assert states[0] == states[1]
    assert states[0]["epoch"] == 3

    report = json.loads((parts / "report.json").read_text())
    assert report["training"]["epochs"] == 3
    assert len(report["cases"]["test"]) == 2
    assert set(report["cases"]["test"]).isdisjoint(report["cases"]["train"] + report["cases"]["val"])
    assert report["config"]["train"]["deterministic"]
    names = {path.name for path in parts.iterdir()}
    assert {"config.json", "split.json", "best.keras", "metadata.json", "history.csv", "curves.png"} <= names
    assert json.loads((parts / "metadata.json").read_text())["preprocess"]["threshold"] == report["threshold"]

    # A folder that holds a run is not trained over, nor resumed as another run.
    again = subprocess.run(_command(six_scans, parts), capture_output=True, text=True)
    assert again.returncode == 2
    assert "--resume" in again.stderr
    changed = subprocess.run(_command(six_scans, parts, "--resume", "--seed", "5"), capture_output=True, text=True)
    assert changed.returncode == 2
    assert "train.seed" in changed.stderr
