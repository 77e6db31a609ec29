import os

import pytest
import tensorflow as tf

from spine_tf.support.device import use_device


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
