"""Many scans on a real Ray, in this machine's memory: outcomes, files, and workers that are killed."""

import csv
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from conftest import bright_block_hu

from spine_tf.batch import TRIES, find_scans, predict_many
from spine_tf.engines import load_engine
from spine_tf.predict import predict_cases

ray = pytest.importorskip("ray")

SCRIPT = Path(__file__).parents[1] / "scripts" / "predict_many.py"


@pytest.fixture(scope="module")
def cluster():
    ray.init(num_cpus=2, include_dashboard=False, object_store_memory=2**27, log_to_driver=False, logging_level="error")
    yield
    ray.shutdown()


def _scan(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(bright_block_hu(), np.diag([-1.0, 1.5, 2.0, 1.0])), path)
    return path


def _rows(path: Path) -> list[dict]:
    with path.open() as file:
        return list(csv.DictReader(file))


def _kill_worker() -> None:
    """SIGKILL to the process that runs a Segmenter, as the kernel does where memory runs out."""
    for place in Path("/proc").glob("[0-9]*"):
        try:
            words = (place / "cmdline").read_bytes()
        except OSError:
            continue
        if words.startswith(b"ray::") and b"Segmenter" in words:
            os.kill(int(place.name), signal.SIGKILL)


def _kill_while(started: Path, times: int) -> threading.Thread:
    """A thread that kills the worker each time the case is started, `times` times."""

    def watch():
        for number in range(1, times + 1):
            while not (started.exists() and started.stat().st_size == number):
                time.sleep(0.001)
            _kill_worker()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


def test_scans_are_found_in_folders_and_lists(tmp_path):
    a, b = _scan(tmp_path / "one" / "a_ct.nii.gz"), _scan(tmp_path / "two" / "b.nii")
    _scan(tmp_path / "derivatives" / "a_seg-vert_msk.nii.gz")
    _scan(tmp_path / ".hidden" / "c.nii.gz")
    series = tmp_path / "series"
    series.mkdir()
    (series / "1.dcm").write_bytes(bytes(128) + b"DICM")
    assert find_scans(tmp_path) == [a, series, b]
    (tmp_path / "list.csv").write_text("path,age\none/a_ct.nii.gz,61\ntwo/b.nii,47\n")
    assert find_scans(tmp_path / "list.csv") == [a, b]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file\na.nii\n", r"column path. Received: .*\['file'\]"),
        ("path\nabsent.nii\n", "not there"),
        ("path\n", "none in"),
        ("path\na.nii\nother/a.nii\n", "different case names"),
    ],
)
def test_lists_that_cannot_be_done_are_refused_before_anything_starts(tmp_path, text, message):
    for place in ("a.nii", "other/a.nii"):
        _scan(tmp_path / place)
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        find_scans(tmp_path / "list.csv")


def test_a_killed_workers_case_is_done_again_and_a_bad_one_is_listed(cluster, threshold_run, tmp_path):
    scans = [_scan(tmp_path / f"{name}.nii.gz") for name in "abc"]
    (tmp_path / "d.nii.gz").write_bytes(b"no image")
    scans.append(tmp_path / "d.nii.gz")
    out, alone = tmp_path / "out", tmp_path / "alone"
    killer = _kill_while(out / ".started" / "b", 1)
    outcomes = predict_many(scans, threshold_run, out)
    killer.join(timeout=1)
    assert not killer.is_alive()
    assert [(one.case, one.status) for one in outcomes] == [*((name, "done") for name in "abc"), ("d", "failed")]
    assert [row["case"] for row in _rows(out / "results.csv")] == list("abcd")
    (failure,) = _rows(out / "failures.csv")
    assert "d.nii.gz" in failure["detail"]
    assert not list((out / ".started").iterdir())
    predict_cases(scans[:3], load_engine(threshold_run), alone, progress=False)
    for name in "abc":
        mask = f"{name}_seg-spine_msk.nii.gz"
        assert (out / mask).read_bytes() == (alone / mask).read_bytes()
    made = {path: path.stat().st_mtime_ns for path in out.glob("*_msk.nii.gz")}
    again = predict_many(scans, threshold_run, out)
    assert [one.status for one in again] == ["skipped"] * 3 + ["failed"]
    assert {path: path.stat().st_mtime_ns for path in out.glob("*_msk.nii.gz")} == made


@pytest.mark.slow
def test_a_case_that_kills_its_worker_each_time_fails_in_the_end(cluster, threshold_run, tmp_path):
    scans = [_scan(tmp_path / f"{name}.nii.gz") for name in "ab"]
    killer = _kill_while(tmp_path / "out" / ".started" / "a", TRIES)
    bad, good = predict_many(scans, threshold_run, tmp_path / "out")
    killer.join(timeout=1)
    assert (bad.case, bad.status) == ("a", "failed")
    assert f"{TRIES} times" in bad.detail
    assert good.status == "done"


def test_a_model_that_cannot_be_loaded_is_one_line(cluster, tmp_path):
    with pytest.raises(ValueError, match=r"model must be a \.keras"):
        predict_many([_scan(tmp_path / "a.nii.gz")], tmp_path / "none.keras", tmp_path / "out")


def test_the_script_refuses_in_one_line(tmp_path):
    done = subprocess.run([sys.executable, SCRIPT, tmp_path, "--output", "out"], capture_output=True, text=True)
    assert done.returncode == 2
    assert f"error: input must hold scans. Received: none in '{tmp_path}'" in done.stderr
    assert "Traceback" not in done.stderr
