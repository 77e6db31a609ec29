import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PARENT = """
import sys
import time
from multiprocessing import get_context

from spine_tf.support.processes import end_when_parent_ends


def child(ends):
    if ends:
        end_when_parent_ends()
    print("ready", flush=True)
    time.sleep(60)


if __name__ == "__main__":
    process = get_context("spawn").Process(target=child, args=(sys.argv[1] == "ends",))
    process.start()
    print(process.pid, flush=True)
    process.join()
"""


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"  # a process that nobody has collected has ended all the same


@pytest.mark.parametrize("kind", ["ends", "stays"])
def test_a_child_ends_with_a_parent_that_is_killed(kind, tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen([sys.executable, script, kind], stdout=subprocess.PIPE, text=True, env=environment)
    child = int(parent.stdout.readline())
    try:
        assert parent.stdout.readline() == "ready\n"
        parent.kill()
        parent.wait()
        give_up = time.monotonic() + (30 if kind == "ends" else 1)
        while alive(child) and time.monotonic() < give_up:
            time.sleep(0.05)
        assert alive(child) == (kind == "stays")
    finally:
        if alive(child):
            os.kill(child, signal.SIGKILL)
