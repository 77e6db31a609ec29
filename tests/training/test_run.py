"""A whole run in this process, preset `tiny`; killing and resuming it is in test_train_script.py."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from spine_tf.config import PRESETS, Config, config_from_dict, with_changes
from spine_tf.data.splits import read_split
from spine_tf.support.errors import RunError
from spine_tf.support.files import write_json
from spine_tf.training.checkpoint_files import latest_checkpoint
from spine_tf.training.evaluate import evaluate_run
from spine_tf.training.run import THRESHOLDS, ensure_trained, train_run
from spine_tf.training.run_data import find_split
from spine_tf.training.run_start import start_folder


@pytest.fixture(scope="module")
def config(six_scans) -> Config:
    globs = {"images": str(six_scans / "ct" / "*.nii.gz"), "masks": str(six_scans / "masks" / "*.nii.gz")}
    return with_changes(
        PRESETS["tiny"],
        data=globs | {"val_fraction": 0.25},
        augment={"min_box_mm": 10.0},
        train={"epochs": 2, "learning_rate": 0.01},
    )


@pytest.fixture(scope="module")
def run(config, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "tiny"
    train_run(config, folder, folder.parent / "data")
    return folder


def test_a_run_folder_holds_everything_about_the_run(run, config):
    names = {path.name for path in run.iterdir()}
    assert {
        "config.json",
        "split.json",
        "best.keras",
        "metadata.json",
        "history.csv",
        "curves.png",
        "report.json",
    } <= names
    assert config_from_dict(json.loads((run / "config.json").read_text())) == config
    report = json.loads((run / "report.json").read_text())
    assert report["environment"]["versions"]["keras"]
    assert report["training"]["epochs"] == 2
    assert latest_checkpoint(run).name == "epoch-0002"
    metadata = json.loads((run / "metadata.json").read_text())
    assert metadata["preprocess"]["threshold"] == report["threshold"]
    assert report["threshold"] in THRESHOLDS
    means = report["threshold_dice"]
    assert means[f"{report['threshold']:g}"] == max(means.values())


def test_roles_are_by_subject_and_the_test_cases_were_not_read(run):
    split = read_split(run / "split.json")
    assert (len(split.train), len(split.val), len(split.test)) == (3, 1, 2)
    cached = {path.name.rsplit("-", 1)[0] for path in (run / "cache").iterdir()}
    assert cached == {case.case_id for case in [*split.train, *split.val]}


def test_a_run_can_be_evaluated(run, tmp_path):
    rows = evaluate_run(run, tmp_path)
    assert {row["role"] for row in rows} == {"held out"}
    assert all(0 <= row["dice"] <= 1 for row in rows)


@pytest.mark.slow
def test_a_finished_run_resumed_only_writes_its_report_anew(run, config):
    before = (run / "history.csv").read_text()
    report = train_run(config, run, run.parent / "data", resume=True)
    assert (run / "history.csv").read_text() == before
    assert report["training"]["first_step_seconds"] is None
    assert report["training"]["best_epoch"] in (1, 2)


def test_a_folder_with_a_run_is_not_trained_over_and_no_run_not_resumed(run, config, tmp_path):
    with pytest.raises(RunError, match=r"run must be a new folder, or pass --resume"):
        start_folder(run, config, resume=False)
    with pytest.raises(RunError, match="run must hold a run to resume"):
        start_folder(tmp_path, config, resume=True)
    other = with_changes(config, model={"attention": "se"}, train={"epochs": 9})
    with pytest.raises(RunError, match=r"only epochs may change.*\['model\.attention'\]"):
        start_folder(run, other, resume=True)


def test_a_cosine_schedule_is_made_for_its_epochs(config, tmp_path):
    plain, cosine = (with_changes(config, train={"cosine": on}) for on in (False, True))
    for name, started in (("plain", plain), ("cosine", cosine)):
        start_folder(tmp_path / name, started, resume=False)
    start_folder(tmp_path / "plain", with_changes(plain, train={"epochs": 9}), resume=True)
    with pytest.raises(RunError, match=r"a cosine schedule is made for its epochs.*\['train\.epochs'\]"):
        start_folder(tmp_path / "cosine", with_changes(cosine, train={"epochs": 9}), resume=True)


def test_a_run_that_has_trained_is_not_resumed_without_its_checkpoints(run, config, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    before = {path: path.read_bytes() for path in (tmp_path / "run").glob("*.*") if path.is_file()}
    assert {"history.csv", "best.keras"} <= {path.name for path in before}
    words = "checkpoints must hold a checkpoint .* Received: none, though there is history.csv and report.json"
    with pytest.raises(RunError, match=words):
        train_run(config, tmp_path / "run", run.parent / "data", resume=True)
    (tmp_path / "run" / "history.csv").unlink()
    with pytest.raises(RunError, match=r"Received: none, though there is report\.json"):
        train_run(config, tmp_path / "run", run.parent / "data", resume=True)
    del before[tmp_path / "run" / "history.csv"]
    assert {path: path.read_bytes() for path in before} == before


def test_a_run_is_not_resumed_from_a_damaged_checkpoint_nor_with_another_split(run, config, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / "split.json").unlink()
    with pytest.raises(RunError, match=r"split\.json must be a split"):
        train_run(config, tmp_path / "run", run.parent / "data", resume=True)
    (latest_checkpoint(tmp_path / "run") / "state.json").write_text("{}")
    with pytest.raises(RunError, match=r"state\.json was changed; remove .*epoch-0002 to go on from epoch-0001"):
        start_folder(tmp_path / "run", config, resume=True)


def test_what_a_kill_left_half_written_is_swept_at_the_next_start(config, tmp_path):
    for resume in (False, True):
        left = [tmp_path / ".2536c9fd.best.keras", tmp_path / "evaluation" / ".01234567.a_seg-spine_msk.nii.gz"]
        left.append(tmp_path / "checkpoints" / ".epoch-0001.part" / ".89abcdef.model.keras")
        for path in left:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        (tmp_path / "checkpoints" / ".notes").touch()
        start_folder(tmp_path, config, resume)
        files = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
        assert files == ["checkpoints/.notes", "config.json"]


def test_a_finished_run_is_left_alone_and_a_started_one_goes_on(config, tmp_path):
    start_folder(tmp_path, config, resume=False)
    other = with_changes(config, train={"seed": 1})
    # It would not be refused so if it were started anew.
    with pytest.raises(RunError, match=r"a resumed run must keep its config.*\['train\.seed'\]"):
        ensure_trained(other, tmp_path, tmp_path / "data")
    write_json(tmp_path / "report.json", {})
    ensure_trained(other, tmp_path, tmp_path / "data")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "report.json"]


def test_a_pruned_run_is_not_trained_on_without_its_penalty(config, tmp_path):
    write_json(tmp_path / "prune.json", {})
    with pytest.raises(RunError, match=r"must not be a pruned one; prune.py --resume"):
        train_run(config, tmp_path, tmp_path / "data", resume=True)


def test_a_verse_root_is_split_as_configured(shared_data):
    config = with_changes(PRESETS["tiny"], data={"data": shared_data})
    with pytest.raises(ValueError, match="subjects with masks"):
        find_split(config, Path("unused"))


@pytest.mark.slow
def test_a_run_without_validation_that_starts_from_another_runs_model(run, config, tmp_path):
    train = {"epochs": 1, "encoder_weights": str(run / "best.keras")}
    alone = with_changes(config, data={"val_fraction": 0.0}, train=train)
    report = train_run(alone, tmp_path / "run", tmp_path)
    # Nobody to choose a threshold on.
    assert report["threshold"] == 0.5
    assert report["training"]["monitor"] == "loss"
    assert np.isfinite(report["training"]["last"]["loss"])
    (start,) = report["pretrained"]
    assert (start["flag"], start["value"], start["fresh"], start["unused"]) == ("encoder_weights", "best.keras", [], [])
    assert json.loads((tmp_path / "run" / "metadata.json").read_text())["pretrained"] == [start]


def test_weights_out_of_reach_claim_no_folder(config, tmp_path):
    absent = with_changes(config, train={"encoder_weights": str(tmp_path / "absent.keras")})
    with pytest.raises(ValueError, match="encoder_weights must be"):
        train_run(absent, tmp_path / "run", tmp_path)
    assert not (tmp_path / "run").exists()
