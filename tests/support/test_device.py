import logging
import os
import subprocess
import sys

import pytest
import tensorflow as tf

from spine_tf.support.device import use_device, without_infos


def test_the_cpu_is_always_there(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert use_device("cpu") == "cpu"
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "-1"


def test_a_gpu_that_is_not_there_is_said():
    if tf.config.list_physical_devices("GPU"):
        assert use_device("gpu") == "gpu"
    else:
        with pytest.raises(ValueError, match="device='gpu', found no GPU"):
            use_device("gpu")


def test_threads_are_at_least_one():
    with pytest.raises(ValueError, match="threads must be at least 1"):
        use_device("cpu", 0)


def test_tensorflow_loads_without_notes_but_errors_are_shown():
    script = """
import os, sys
from spine_tf.support.device import quiet_loading, use_device
use_device("auto")
assert "tensorflow" in sys.modules
del sys.modules["tensorflow"]
with quiet_loading():
    os.write(2, b"I0000 00:00:17.5 1 port.cc:153] oneDNN custom operations\\nE0000 00:00:18.1 1 x.cc:1] broken\\n")
print("after", file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines() == ["E0000 00:00:18.1 1 x.cc:1] broken", "after"]


def test_infos_of_tensorflow_are_held_back_and_its_level_comes_back(caplog):
    logger = logging.getLogger("tensorflow")
    with caplog.at_level(logging.INFO, "tensorflow"):
        with without_infos():
            logger.info("Assets written to: /somewhere")
            logger.warning("a warning")
        logger.info("an info")
    assert caplog.messages == ["a warning", "an info"]
