"""Pruned runs in this process, of a plain network; the project's own is pruned in test_prune_script.py."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spine_tf.config import PruneSettings, config_from_dict
from spine_tf.data.splits import read_split
from spine_tf.inference.engines import load_engine
from spine_tf.training.prune_run import load_network, run_pruning
from spine_tf.training.prune_settings import read_settings
from spine_tf.training.run import THRESHOLDS


@pytest.fixture(scope="module")
def settings(plain_run) -> PruneSettings:
    """Those of `pruned_run`."""
    return PruneSettings(plain_run, calibration_batches=2, epochs=2)


def _record(folder: Path) -> dict:
    return json.loads((folder / "untuned" / "pruning.json").read_text())


def _predict(folder: Path) -> np.ndarray:
    return load_engine(folder).predict(*np.random.default_rng(0).random((3, 2, 32, 32, 3), np.float32))


def test_half_of_the_filters_are_gone_and_the_run_is_like_any_other(pruned_run, plain_run, settings):
    record = _record(pruned_run)
    assert (record["filters"], record["prunable"], record["kept"], record["amount"]) == (27, 24, 15, 0.5)
    assert record["calibration_triplets"] == 8
    assert record["difference"] <= 1e-5
    assert record["whole"] == {"mask": "is an output of the model"}
    kept = {row["layer"]: row["kept"] for row in record["layers"]}
    assert {layer: load_network(pruned_run).get_layer(layer).filters for layer in kept} == kept

    config = config_from_dict(json.loads((pruned_run / "config.json").read_text()))
    assert (config.train.learning_rate, config.train.loss, config.train.seed) == (pytest.approx(0.01), "bce", 8)
    assert read_split(pruned_run / "split.json") == read_split(plain_run / "split.json")
    assert read_settings(pruned_run) == settings
    report = json.loads((pruned_run / "report.json").read_text())
    assert report["training"]["epochs"] == 2
    assert report["training"]["monitor"] == "val_data_loss"
    assert report["threshold"] in THRESHOLDS
    metadata = json.loads((pruned_run / "metadata.json").read_text())
    assert metadata["preprocess"]["threshold"] == report["threshold"]
    assert metadata["pruned"] == {"criterion": "gradient", "amount": 0.5, "filters": 27, "kept": 15}
    assert _predict(pruned_run).shape == (2, 32, 32, 3)
    # Fine-tuning has changed something.
    assert np.abs(_predict(pruned_run) - _predict(pruned_run / "untuned")).max() > 1e-4


def test_a_pruned_run_is_pruned_again(pruned_run, settings, tmp_path):
    again = replace(settings, source=pruned_run, criterion="magnitude", scope="layer", epochs=1)
    run_pruning(again, tmp_path / "again", tmp_path)
    record = _record(tmp_path / "again")
    assert (record["filters"], record["prunable"], record["kept"]) == (15, 12, 9)
    assert load_network(tmp_path / "again").count_params() < load_network(pruned_run).count_params()
    assert _predict(tmp_path / "again").shape == (2, 32, 32, 3)


def test_a_stopped_run_goes_on_as_if_never_stopped(pruned_run, settings, tmp_path):
    stopped = run_pruning(settings, tmp_path / "run", tmp_path, max_minutes=0.0)
    assert stopped["training"]["epochs"] == 1
    removed = (tmp_path / "run" / "untuned" / "pruning.json").stat().st_mtime_ns
    with pytest.raises(ValueError, match=r"only epochs may change.*\['amount'\]"):
        run_pruning(replace(settings, amount=0.3), tmp_path / "run", tmp_path, resume=True)
    resumed = run_pruning(settings, tmp_path / "run", tmp_path, resume=True)
    assert resumed["training"]["epochs"] == 2
    assert (tmp_path / "run" / "untuned" / "pruning.json").stat().st_mtime_ns == removed
    assert (tmp_path / "run" / "history.csv").read_text() == (pruned_run / "history.csv").read_text()
    np.testing.assert_array_equal(_predict(tmp_path / "run"), _predict(pruned_run))


def test_a_control_trains_all_filters_with_the_same_settings(pruned_run, plain_run, settings, tmp_path):
    report = run_pruning(replace(settings, control=True), tmp_path / "control", tmp_path)
    assert load_network(tmp_path / "control").count_params() == load_network(plain_run).count_params()
    assert not (tmp_path / "control" / "untuned").exists()
    assert np.abs(_predict(tmp_path / "control") - _predict(plain_run)).max() > 1e-4
    other = json.loads((pruned_run / "report.json").read_text())
    assert report["config"] == other["config"]
    assert report["training"]["epochs"] == other["training"]["epochs"]


def test_a_folder_with_a_run_is_not_pruned_over(plain_run, settings):
    with pytest.raises(ValueError, match="run must be a new folder"):
        run_pruning(settings, plain_run, plain_run)
    assert not (plain_run / "prune.json").exists()
