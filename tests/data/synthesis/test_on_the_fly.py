import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from spine_tf.config import AugmentConfig, DataConfig, PreprocessSpec
from spine_tf.data.pipeline import training_dataset
from spine_tf.data.synthesis.on_the_fly import SyntheticScans, scan_seed
from spine_tf.data.synthesis.phantom import make_phantom
from spine_tf.support.errors import MakerError
from spine_tf.training.run_data import _plainly
from tests.support.paths import ROOT

SPEC = PreprocessSpec(image_size=32, body_box=False)
MAKE = partial(make_phantom, shape=(24, 26, 28), spacing_mm=4.0)


@pytest.fixture
def synthetic(tmp_path):
    scans = SyntheticScans(MAKE, 2, tmp_path / "scans", SPEC, seed=7)
    yield scans
    scans.close()


def test_every_run_epoch_and_number_has_a_seed_of_its_own():
    seeds = {scan_seed(seed, epoch, number) for seed in range(3) for epoch in range(5) for number in range(4)}
    assert len(seeds) == 60


def test_scans_are_those_of_their_seeds_and_old_ones_are_forgotten(synthetic, tmp_path):
    for epoch in (3, 4, 5):
        for number in range(2):
            cached, wanted = synthetic.get(epoch, number), MAKE(scan_seed(7, epoch, number))
            np.testing.assert_array_equal(cached.hu, wanted.hu)
            np.testing.assert_array_equal(cached.mask, (wanted.labels >= 1) & (wanted.labels <= 25))
            assert cached.spacing_mm == (4.0, 4.0, 4.0)
    kept = {folder.name for folder in (tmp_path / "scans").iterdir()}
    assert "epoch0003" not in kept
    assert {"epoch0004", "epoch0005"} <= kept
    synthetic.close()
    assert not (tmp_path / "scans").exists()


KILLED = """
import sys
from pathlib import Path
from tests.data.synthesis.test_on_the_fly import MAKE, SPEC, SyntheticScans

if __name__ == "__main__":
    scans = SyntheticScans(MAKE, 1, Path(sys.argv[1]), SPEC, seed=7)
    scans.get(0, 0)
    print(*scans._pool._processes, flush=True)
    sys.stdin.read()
"""


def test_workers_do_not_outlive_a_training_that_is_killed(tmp_path):
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    arguments = [sys.executable, str(script), str(tmp_path / "scans")]
    root = str(ROOT)
    training = subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": root}
    )
    worker = int(training.stdout.readline())
    os.kill(worker, signal.SIGINT)  # as Ctrl-C does to all of a terminal's processes
    time.sleep(0.5)
    assert _state(worker) not in ("", "Z")
    training.send_signal(signal.SIGKILL)
    training.wait()
    give_up = time.monotonic() + 60
    # Z: ended, but nobody has collected it yet.
    while _state(worker) not in ("", "Z") and time.monotonic() < give_up:
        time.sleep(0.1)
    assert _state(worker) in ("", "Z")


def _state(process: int) -> str:
    """Letter of a process's state, as /proc has it; empty where it is gone."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def test_a_worker_that_was_killed_is_a_sentence(synthetic):
    synthetic.get(0, 0)
    os.kill(*synthetic._pool._processes, signal.SIGKILL)
    with pytest.raises(MakerError, match=r"one is gone\. .* Received: scan 1 of epoch 5 not made"):
        synthetic.get(5, 1)


def test_a_killed_worker_is_one_line_in_training_too(synthetic):
    data = DataConfig(batch_size=2, triplets_per_case=2)
    dataset = training_dataset([], SPEC, data, AugmentConfig(augment=False), seed=7, synthetic=synthetic)
    synthetic.get(0, 0)
    os.kill(*synthetic._pool._processes, signal.SIGKILL)
    with (
        pytest.raises(MakerError, match=r"^workers that make synthetic scans must live [^\n]* not made$"),
        _plainly(MakerError),
    ):
        for _ in dataset.skip(20).take(1):
            pass


UNGUARDED = """
import sys
from pathlib import Path
from tests.data.synthesis.test_on_the_fly import MAKE, SPEC, SyntheticScans

SyntheticScans(MAKE, 1, Path(sys.argv[1]), SPEC, seed=7).get(0, 0)
"""


@pytest.mark.slow
def test_a_script_without_a_guard_ends_and_is_told_so(tmp_path):
    script = tmp_path / "unguarded.py"
    script.write_text(UNGUARDED)
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "scans")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert "MakerError: workers that make synthetic scans must live" in done.stderr
    assert 'if __name__ == "__main__":' in done.stderr


def test_the_pipeline_draws_other_scans_in_every_epoch(synthetic):
    data = DataConfig(batch_size=2, triplets_per_case=2)
    dataset = training_dataset([], SPEC, data, AugmentConfig(augment=False), seed=7, synthetic=synthetic)
    first, second = ([mask.numpy() for _, mask in dataset.skip(start).take(2)] for start in (0, 2))
    again = [mask.numpy() for _, mask in dataset.take(2)]
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, second)
