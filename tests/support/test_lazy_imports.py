import sys

import pytest

from spine_tf.support.lazy_imports import lazy_names


def test_a_name_is_found_where_it_is_defined_and_kept_in_its_package(monkeypatch):
    import spine_tf.scoring

    monkeypatch.delattr(spine_tf.scoring, "dice")
    find = lazy_names("spine_tf.scoring", {"dice": "overlap"})
    assert find("dice") is sys.modules["spine_tf.scoring.overlap"].dice
    assert vars(spine_tf.scoring)["dice"] is find("dice")


def test_another_name_is_told():
    with pytest.raises(AttributeError, match=r"module 'spine_tf\.scoring' has no attribute 'dise'"):
        lazy_names("spine_tf.scoring", {"dice": "overlap"})("dise")
