"""Names that are imported when they are first used."""

import subprocess
import sys

import pytest

from spine_tf.support.lazy import lazy_names


def test_a_module_is_imported_when_its_name_is_first_used():
    script = """
import sys, spine_tf.data
before = "spine_tf.data.verse" in sys.modules
spine_tf.data.find_cases
print(before, "spine_tf.data.verse" in sys.modules, "find_cases" in vars(spine_tf.data))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "True"]


def test_a_name_that_is_not_there_is_told():
    getattribute, directory, names = lazy_names("spine_tf", {"dice": "scoring"})
    assert names == ["dice"]
    assert "dice" in directory()
    with pytest.raises(AttributeError, match="module 'spine_tf' has no attribute 'jaccard'"):
        getattribute("jaccard")
