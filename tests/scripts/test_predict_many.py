import csv
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from tests.support.paths import SCRIPTS
from tests.support.scans import bright_block_hu

pytest.importorskip("ray")

SCRIPT = SCRIPTS / "predict_many.py"


def _start(*args, **options) -> subprocess.Popen:
    command = [sys.executable, *map(str, args)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, **options)


def _run(*args) -> tuple[int, str]:
    process = _start(SCRIPT, *args)
    message = process.communicate()[1]
    return process.returncode, message


@pytest.fixture
def scans(tmp_path) -> Path:
    folder = tmp_path / "scans"
    (folder / "derivatives").mkdir(parents=True)
    for name in ("0_ct", "1_ct", "2_ct", "3_ct", "derivatives/0_ct"):
        nib.save(nib.Nifti1Image(bright_block_hu((96, 80, 64)), np.eye(4)), folder / f"{name}.nii.gz")
    return folder


@pytest.fixture
def to_be_killed():
    """Starts commands of which nothing is left after the test: two of Ray's processes outlive a killed job a minute."""
    started = []

    def start(*args) -> subprocess.Popen:
        started.append(_start(*args, start_new_session=True))
        return started[-1]

    yield start
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.slow
def test_a_job_that_was_killed_goes_on_and_tells_what_failed(threshold_lite, scans, tmp_path, to_be_killed):
    output = tmp_path / "out"
    (scans / "4_ct.nii.gz").write_bytes(b"no image")
    command = (SCRIPT, scans, "--model", threshold_lite, "--output", output, "--workers", "1")
    first = to_be_killed(*command)
    end = time.monotonic() + 120
    while not (output / "0_report.json").exists() and first.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert first.returncode == -signal.SIGKILL
    assert not (output / "results.csv").exists()
    done = (output / "0_report.json").stat().st_mtime_ns

    status, message = _run(*command[1:])
    assert status == 1, message
    assert "1 of 5 scans failed" in message
    assert "Traceback" not in message
    with open(output / "results.csv", newline="") as file:
        found = {row["case"]: row["status"] for row in csv.DictReader(file)}
    assert sorted(found) == ["0", "1", "2", "3", "4"]
    assert (found["0"], found["3"], found["4"]) == ("skipped", "done", "failed")
    assert (output / "0_report.json").stat().st_mtime_ns == done
    with open(output / "failures.csv", newline="") as file:
        assert [row["case"] for row in csv.DictReader(file)] == ["4"]
    assert len(list(output.glob("*_msk.nii.gz"))) == 4
    assert not list(output.glob(".*"))


def test_bad_usage_is_one_line_and_status_2(scans, tmp_path):
    status, message = _run(tmp_path / "none", "--output", tmp_path / "out", "--model", "none.tflite")
    assert status == 2
    assert message.startswith("error: input must be a folder or a .csv file")
    assert message.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_without_ray_it_says_what_to_install(scans, tmp_path):
    # What Python does with a module that is not there, wherever this one is.
    code = (
        "import runpy, sys; sys.modules['ray'] = None; sys.argv = sys.argv[1:]; "
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    process = _start("-c", code, SCRIPT, scans, "--output", tmp_path / "out")
    message = process.communicate()[1]
    assert process.returncode == 2
    assert message.startswith('error: many scans need Ray: pip install "spine-tf[ray]".')
    assert message.count("\n") == 1


def test_an_address_that_is_none_is_one_line(scans, tmp_path):
    status, message = _run(scans, "--output", tmp_path / "out", "--address", "nowhere")
    assert status == 2
    assert message.splitlines()[-1].startswith(
        "error: Ray must start on this machine, or answer at an address. Received: address='nowhere'"
    )
    assert "Traceback" not in message


@pytest.fixture
def cluster(monkeypatch):
    """Two machines of one core each, as far as Ray can tell; with the port for clients."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    small = {"num_cpus": 1, "object_store_memory": 128 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args={**small, "ray_client_server_port": port})
    second = cluster.add_node(**small)
    cluster.wait_for_nodes()
    yield cluster, second, f"ray://127.0.0.1:{port}"
    cluster.shutdown()


def _workers_at_work(output: Path) -> set[int]:
    pids = set()
    for path in (output / ".started").glob("[0-9].json"):
        try:
            pids.add(json.loads(path.read_text())["pid"])
        except FileNotFoundError:
            continue
    return pids


@pytest.mark.slow
def test_a_cluster_that_loses_a_machine_and_a_client_of_it(threshold_run, scans, tmp_path, cluster):
    network, second, client = cluster
    for number in range(4, 8):
        shutil.copy(scans / "0_ct.nii.gz", scans / f"{number}_ct.nii.gz")
    flags = ("--model", threshold_run, "--workers", "2")
    job = _start(SCRIPT, scans, *flags, "--output", tmp_path / "out", "--address", network.address)
    end = time.monotonic() + 120
    while len(_workers_at_work(tmp_path / "out")) < 2 and time.monotonic() < end:
        time.sleep(0.002)
    network.remove_node(second, allow_graceful=False)
    message = job.communicate(timeout=300)[1]
    assert job.returncode == 0, message
    with open(tmp_path / "out" / "results.csv", newline="") as file:
        assert [row["status"] for row in csv.DictReader(file)] == ["done"] * 8
    assert not list((tmp_path / "out").glob(".*"))

    status, message = _run(scans, *flags, "--output", tmp_path / "client", "--address", client)
    assert status == 0, message
    for number in range(8):
        name = f"{number}_seg-spine_msk.nii.gz"
        assert (tmp_path / "client" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()
