"""scripts/prune.py as a user runs it, on a trained tiny network: pruned, compared with a control, pruned again."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from spine_tf.inference.engines import load_engine
from spine_tf.training.prune_run import load_network
from tests.support.paths import SCRIPTS


def _run(script: str, *flags) -> subprocess.CompletedProcess:
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, str(SCRIPTS / script), *map(str, flags)]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def _prune(source: Path, run: Path, *flags) -> str:
    done = _run("prune.py", "--source", source, "--run", run, "--calibration-batches", 2, *flags)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
def test_a_tiny_network_is_pruned_compared_resumed_and_pruned_again(six_scans, tmp_path):
    source, control, pruned, again = (tmp_path / name for name in ("source", "control", "pruned", "again"))
    globs = ("--images", six_scans / "ct" / "*.nii.gz", "--masks", six_scans / "masks" / "*.nii.gz")
    tiny = ("--preset", "tiny", "--epochs", 1, "--val-fraction", 0.25, "--min-box-mm", 10, "--share-branches")
    trained = _run("train.py", "--run", source, *tiny, *globs)
    assert trained.returncode == 0, trained.stderr[-3000:]

    _prune(source, control, "--epochs", 1, "--control")
    text = _prune(source, pruned, "--epochs", 1, "--against", control)
    assert "| held-out case, Dice | before | pruned | fine-tuned | control |" in text
    verdict = json.loads((pruned / "report.json").read_text())["verdict"]
    assert verdict["filters"]["amount"] == pytest.approx(0.5, abs=0.02)
    assert verdict["costs"]["parameters"]["ratio"] < 0.4
    assert verdict["costs"]["file_mb"]["ratio"] < 0.5
    assert verdict["costs"]["multiply_adds"]["ratio"] < 0.6
    same = json.loads((control / "report.json").read_text())["verdict"]["costs"]
    assert same["parameters"]["ratio"] == same["multiply_adds"]["ratio"] == 1

    refused = _run("prune.py", "--source", source, "--run", pruned)
    assert refused.returncode == 2
    assert "--resume" in refused.stderr
    resumed = _run("prune.py", "--run", pruned, "--resume", "--epochs", 2, "--against", control)
    assert resumed.returncode == 2  # the control has had one epoch
    assert "epochs" in resumed.stderr
    resumed = _run("prune.py", "--run", pruned, "--resume", "--epochs", 2)
    assert resumed.returncode == 0, resumed.stderr[-3000:]
    assert json.loads((pruned / "report.json").read_text())["training"]["epochs"] == 2

    _prune(pruned, again, "--epochs", 1, "--amount", 0.3, "--penalty", "l1", "--scope", "layer")
    assert load_network(again).count_params() < load_network(pruned).count_params()
    assert load_engine(again).predict(*np.zeros((3, 1, 32, 32, 3), np.float32)).shape == (1, 32, 32, 3)
    scan = next((six_scans / "ct").glob("*.nii.gz"))
    predicted = _run("predict.py", scan, "--model", again, "--output", tmp_path / "out")
    assert predicted.returncode == 0, predicted.stderr[-3000:]
    evaluated = _run("evaluate.py", "--run", again)
    assert evaluated.returncode == 0, evaluated.stderr[-3000:]
