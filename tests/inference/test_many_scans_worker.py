import json
import shutil
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from spine_tf.inference.many_scans_worker import MAX_TRIES, REFUSED, STARTED, Segmenter
from spine_tf.inference.outputs import output_paths
from spine_tf.support.files import write_json
from tests.support.scans import bright_block_hu


@pytest.fixture(scope="module")
def settings(threshold_lite):
    return {
        "model": str(threshold_lite),
        "threads": 1,
        "device": "cpu",
        "overwrite": False,
        "options": {"batch_size": 4},
    }


@pytest.fixture
def batch(tmp_path):
    nib.save(nib.Nifti1Image(bright_block_hu(), np.eye(4)), tmp_path / "a.nii.gz")
    # As Ray Data hands it over.
    return {"case": np.array(["one"]), "path": np.array([str(tmp_path / "a.nii.gz")])}


def _ended(answer: dict) -> tuple[str, str]:
    assert {name: len(values) for name, values in answer.items()} == {"case": 1, "status": 1, "detail": 1}
    return answer["status"][0], answer["detail"][0]


def test_a_case_that_took_its_worker_down_before_is_counted(settings, batch, tmp_path):
    worker, started = Segmenter(settings | {"output": str(tmp_path)}), tmp_path / STARTED / "one.json"
    write_json(started, {"tries": MAX_TRIES})
    assert _ended(worker(batch)) == ("failed", f"a.nii.gz: its worker process died {MAX_TRIES} times")
    # Still so if Ray has the block done again, for another case's sake.
    assert _ended(worker(batch))[0] == "failed"
    write_json(started, {"tries": MAX_TRIES - 1})
    assert _ended(worker(batch))[0] == "done"
    assert json.loads(started.read_text())["tries"] == MAX_TRIES


def test_failing_is_not_dying(settings, batch, tmp_path):
    worker = Segmenter(settings | {"output": str(tmp_path)})
    (tmp_path / "a.nii.gz").write_bytes(b"no image")
    for _ in range(MAX_TRIES + 1):
        status, detail = _ended(worker(batch))
        assert status == "failed"
        assert "a NIfTI-1 or NIfTI-2 file is needed" in detail


def test_the_memory_budget_of_a_job_is_its_workers(settings, batch, tmp_path):
    worker = Segmenter(settings | {"output": str(tmp_path), "options": {"memory_budget_gib": 1e-6}})
    status, detail = _ended(worker(batch))
    assert status == "failed"
    assert "the scan must fit memory_budget_gib=1e-06" in detail


def test_a_report_ends_a_case_but_not_one_to_be_overwritten(settings, batch, tmp_path):
    report = output_paths(tmp_path, "one")["report"]
    assert _ended(Segmenter(settings | {"output": str(tmp_path)})(batch))[0] == "done"
    first = report.stat().st_mtime_ns
    # Should this block be done again, the case is not, and it counts as done by this job.
    assert _ended(Segmenter(settings | {"output": str(tmp_path)})(batch))[0] == "done"
    # Another job.
    shutil.rmtree(tmp_path / STARTED)
    assert _ended(Segmenter(settings | {"output": str(tmp_path)})(batch))[0] == "skipped"
    assert report.stat().st_mtime_ns == first
    again = Segmenter(settings | {"output": str(tmp_path), "overwrite": True})
    assert _ended(again(batch))[0] == "done"
    second = report.stat().st_mtime_ns
    assert second > first
    # Its worker died on another case of the block: what this job has written is not done a third time.
    assert _ended(again(batch))[0] == "done"
    assert report.stat().st_mtime_ns == second


def test_a_model_that_cannot_be_loaded_is_told_for_each_case(settings, batch, tmp_path):
    worker = Segmenter(settings | {"output": str(tmp_path), "model": "none.tflite"})
    status, detail = _ended(worker(batch))
    assert status == REFUSED
    assert detail.endswith("Received: model='none.tflite'")
    assert not (tmp_path / STARTED).exists()


def test_what_is_at_work_names_its_process(settings, batch, tmp_path):
    started, seen = tmp_path / STARTED / "one.json", []
    worker = Segmenter(settings | {"output": str(tmp_path)})
    predict = worker.engine.predict

    def watched(*triplets):
        seen.append(json.loads(started.read_text()))
        return predict(*triplets)

    worker.engine = replace(worker.engine, predict=watched)
    worker(batch)
    assert set(seen[0]) == {"tries", "report", "host", "pid"}
    assert seen[0]["tries"] == 1
