import csv
import json
import os
import shutil
import signal
import threading
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from spine_tf.inference.engines import load_engine
from spine_tf.inference.many_scans import FAILURES, RESULTS, segment_many
from spine_tf.inference.many_scans_input import Scan, find_scans
from spine_tf.inference.many_scans_ray import start_ray
from spine_tf.inference.many_scans_worker import MAX_TRIES, STARTED
from spine_tf.inference.outputs import output_paths
from spine_tf.inference.predict import predict_cases

ray = pytest.importorskip("ray")


@pytest.fixture(scope="module", autouse=True)
def two_cores():
    """Ray on this machine for all tests here; segment_many joins it and leaves it running."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAY_USAGE_STATS_ENABLED", raising=False)
        start_ray(num_cpus=2)
        yield
        ray.shutdown()


def _scan(path: Path, seed: int, shape=(96, 80, 64)) -> Path:
    """A bright block, elsewhere for each seed, in a body of 40 HU with noise."""
    rng = np.random.default_rng(seed)
    hu = rng.normal(40, 120, shape)
    x, y, z = rng.integers(2, 20, 3)
    hu[x : x + 40, y : y + 40, z : z + 30] = 1000
    nib.save(nib.Nifti1Image(hu.astype(np.int16), np.diag([-1.0, 1.0, 2.0, 1.0])), path)
    return path


@pytest.fixture
def five_scans(tmp_path):
    """Four scans, and a file that is none."""
    (tmp_path / "scans").mkdir()
    for seed in range(4):
        _scan(tmp_path / "scans" / f"scan{seed}_ct.nii.gz", seed)
    (tmp_path / "scans" / "broken.nii.gz").write_bytes(b"no image")
    return tmp_path / "scans"


class _Killer(threading.Thread):
    """While entered, kills the worker process of a case as soon as it has started on it, so many times at most."""

    def __init__(self, output: Path, case: str, times: int):
        super().__init__(daemon=True)
        self.started, self.report = output / STARTED / f"{case}.json", output_paths(output, case)["report"]
        self.times, self.pids, self.at, self.left = times, [], [], threading.Event()
        self.too_late = False

    def run(self):
        while len(self.pids) < self.times and not self.left.wait(0.002):
            try:
                pid = json.loads(self.started.read_text())["pid"]
            except FileNotFoundError:
                continue
            if pid not in self.pids:
                os.kill(pid, signal.SIGKILL)
                self.pids.append(pid)
                self.at.append(time.time())
                self.too_late |= self.report.exists()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *error):
        self.left.set()
        self.join()


def _rows(path: Path) -> list[dict]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_a_killed_worker_costs_no_case_and_no_mask_differs(threshold_lite, five_scans, tmp_path):
    scans, output = find_scans(five_scans), tmp_path / "out"
    output.mkdir()
    (output / ".0123abcd.scan3_report.json").write_text("what a killed job left")
    with _Killer(output, "scan1", 1) as killer:
        outcomes = segment_many(scans, threshold_lite, output, workers=2)
    assert len(killer.pids) == 1
    assert not killer.too_late
    assert [(one.case, one.status) for one in outcomes] == [
        ("broken", "failed"),
        *((f"scan{seed}", "done") for seed in range(4)),
    ]
    alone = tmp_path / "alone"
    wanted = predict_cases([scan.path for scan in scans], load_engine(threshold_lite), alone, progress=False)
    assert [one.status for one in wanted] == [one.status for one in outcomes]
    for case in (f"scan{seed}" for seed in range(4)):
        for kind in ("mask", "picture"):
            assert output_paths(output, case)[kind].read_bytes() == output_paths(alone, case)[kind].read_bytes()
    assert sorted(p.name for p in output.iterdir()) == sorted([*(p.name for p in alone.iterdir()), FAILURES, RESULTS])
    rows = _rows(output / RESULTS)
    assert [(row["case"], row["status"]) for row in rows] == [(one.case, one.status) for one in outcomes]
    # 40 x 40 x 30 voxels of 2 mm3: 96 ml.
    assert [float(row["ml"] or 0) for row in rows] == pytest.approx([0, 96, 96, 96, 96], rel=0.1)
    (failure,) = _rows(output / FAILURES)
    assert failure["case"] == "broken"
    assert failure["path"] == str(five_scans / "broken.nii.gz")
    assert "broken.nii.gz" in failure["reason"]


@pytest.mark.slow
def test_a_case_that_kills_its_worker_each_time_fails_and_the_others_go_on(
    threshold_lite, five_scans, tmp_path, monkeypatch
):
    # All cases in one block, which Ray does again as a whole.
    monkeypatch.setattr("spine_tf.inference.many_scans.MAX_BLOCKS", 1)
    output = tmp_path / "out"
    with _Killer(output, "scan1", MAX_TRIES + 1) as killer:
        outcomes = segment_many(find_scans(five_scans), threshold_lite, output)
    assert len(killer.pids) == MAX_TRIES
    assert [one.status for one in outcomes] == ["failed", "done", "failed", "done", "done"]
    assert outcomes[2].detail == f"scan1_ct.nii.gz: its worker process died {MAX_TRIES} times"
    assert [row["case"] for row in _rows(output / FAILURES)] == ["broken", "scan1"]
    assert not list(output.glob("*scan1*"))
    assert not (output / STARTED).exists()
    # What was done before a worker died was not done again, what comes after the case was done after the last death.
    written = [output_paths(output, f"scan{seed}")["report"].stat().st_mtime for seed in (0, 2, 3)]
    assert written[0] < killer.at[0] < killer.at[2] < min(written[1:])


def test_a_second_run_does_what_is_not_done(threshold_lite, five_scans, tmp_path):
    scans, output = find_scans(five_scans), tmp_path / "out"
    assert [one.status for one in segment_many(scans, threshold_lite, output, workers=2)] == ["failed", *["done"] * 4]
    first = {path.name: path.stat().st_mtime_ns for path in output.iterdir() if path.name.startswith("scan")}
    output_paths(output, "scan2")["mask"].unlink()
    shutil.copy(five_scans / "scan0_ct.nii.gz", five_scans / "broken.nii.gz")
    assert [one.status for one in segment_many(scans, threshold_lite, output)] == [
        "done",
        "skipped",
        "skipped",
        "done",
        "skipped",
    ]
    assert [row["status"] for row in _rows(output / RESULTS)] == ["done", "skipped", "skipped", "done", "skipped"]
    assert [float(row["ml"]) for row in _rows(output / RESULTS)] == pytest.approx([96] * 5, rel=0.1)
    assert _rows(output / FAILURES) == []
    again = {path.name for path in output.iterdir() if first.get(path.name, 0) != path.stat().st_mtime_ns}
    assert not any(name.startswith(("scan0", "scan1", "scan3")) for name in again)
    # The name of another scan, and one scan given twice: none of it is taken for what it is not.
    (five_scans / "other").mkdir()
    _scan(five_scans / "other" / "scan0_ct.nii.gz", 7)
    both = [scans[1], Scan("scan0", five_scans / "other" / "scan0_ct.nii.gz"), scans[2], scans[2]]
    assert [one.status for one in segment_many(both, threshold_lite, output)] == ["failed"] * 2 + ["skipped"] * 2
    assert [row["status"] for row in _rows(output / RESULTS)] == ["failed"] * 2 + ["skipped"] * 2
    assert [row["case"] for row in _rows(output / FAILURES)] == ["scan0", "scan0"]
    assert [one.status for one in segment_many(both[1:2], threshold_lite, output)] == ["done"]
    last = output_paths(output, "scan0")["report"].stat().st_mtime_ns
    assert [one.status for one in segment_many(scans[1:2], threshold_lite, output, overwrite=True)] == ["done"]
    assert output_paths(output, "scan0")["report"].stat().st_mtime_ns > last


@pytest.mark.slow
def test_a_csv_gives_names_and_keras_does_as_well(threshold_run, five_scans, tmp_path):
    for name in ("7", "8"):
        (tmp_path / name).mkdir()
        shutil.copy(five_scans / "scan0_ct.nii.gz", tmp_path / name / "ct.nii.gz")
    (tmp_path / "list.csv").write_text("path,case\n7/ct.nii.gz,seven\n8/ct.nii.gz,eight\nnone.nii.gz,\n")
    outcomes = segment_many(find_scans(tmp_path / "list.csv"), threshold_run, tmp_path / "out", clean_up=False)
    assert [(one.case, one.status) for one in outcomes] == [("seven", "done"), ("eight", "done"), ("none", "failed")]
    report = json.loads((tmp_path / "out" / "seven_report.json").read_text())
    assert report["case"] == "seven"
    assert report["clean_up"] is False
    assert (tmp_path / "out" / "eight_seg-spine_msk.nii.gz").is_file()


def test_what_cannot_be_run_is_refused_before_any_case(five_scans, tmp_path):
    scans = [Scan("a", five_scans / "scan0_ct.nii.gz")]
    with pytest.raises(ValueError, match=r"model must be a .keras or .tflite file.* Received: model='none.tflite'"):
        segment_many(scans, "none.tflite", tmp_path / "out")
    with pytest.raises(ValueError, match=r"workers must be at least 1. Received: workers=0"):
        segment_many(scans, "none.tflite", tmp_path / "out", workers=0)
    with pytest.raises(ValueError, match=r"workers must be at most the 2 cores of this machine. Received: workers=3"):
        segment_many(scans, "none.tflite", tmp_path / "out", workers=3)
    with pytest.raises(ValueError, match=r"scans must be at least one. Received: none"):
        segment_many([], "none.tflite", tmp_path / "out")
    assert not list((tmp_path / "out").glob("*"))
    (tmp_path / "out" / RESULTS).write_text("patient,age\n")
    with pytest.raises(ValueError, match=r"results.csv must be free, .* Received: 'patient,age'"):
        segment_many(scans, "none.tflite", tmp_path / "out")


def test_ray_tells_nobody():
    """Usage statistics go out from the cluster's own processes, which have what a worker finds in its environment."""
    found = ray.get(ray.remote(num_cpus=0)(lambda: os.environ.get("RAY_USAGE_STATS_ENABLED")).remote())
    assert found == "0"
