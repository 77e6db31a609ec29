import os
import subprocess
import sys
from importlib import metadata

import pytest

import spine_tf


def _environment(**given):
    script = "import spine_tf, os; print(os.environ['TF_ENABLE_ONEDNN_OPTS'])"
    clean = {key: value for key, value in os.environ.items() if not key.startswith("TF_")} | given
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=clean).stdout.strip()


def test_the_version_is_that_of_the_installed_package():
    assert spine_tf.__version__ == metadata.version("spine-tf")


def test_every_public_name_is_there():
    for name in spine_tf.__all__:
        assert getattr(spine_tf, name) is not None
    assert set(spine_tf.__all__) <= set(dir(spine_tf))


def test_a_name_that_is_not_there_is_told():
    with pytest.raises(AttributeError, match="module 'spine_tf' has no attribute 'segmet'"):
        getattr(spine_tf, "segmet")  # noqa: B009


def test_nothing_is_imported_before_it_is_used():
    script = """
import sys, spine_tf
before = {name.partition(".")[0] for name in sys.modules}
spine_tf.dice
print(sorted(before & {"tensorflow", "keras", "numpy", "scipy", "nibabel", "matplotlib"}), "tensorflow" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] False"


def test_onednn_is_on_unless_the_user_says_otherwise():
    assert _environment() == "1"
    assert _environment(TF_ENABLE_ONEDNN_OPTS="0") == "0"
