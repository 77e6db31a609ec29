import json

import pytest

from spine_tf.report import environment, git_commit, peak_memory_gib, write_json, write_text


def test_environment_names_versions_and_hardware_but_no_person():
    facts = environment()
    assert facts["versions"]["keras"].startswith("3.")
    assert facts["cores"] >= 1
    assert set(facts) == {
        "spine_tf", "git_commit", "python", "system", "processor", "cores", "gpus", "versions",
    }  # fmt: skip
    json.dumps(facts)


def test_the_commit_is_that_of_the_checkout():
    assert git_commit() == "unknown" or len(git_commit().removesuffix("-dirty")) >= 7


def test_memory_is_in_gib():
    assert 0.01 < peak_memory_gib() < 1000


def test_files_appear_whole_and_leave_nothing_else(tmp_path):
    write_text(tmp_path / "new" / "a.txt", "one")
    write_text(tmp_path / "new" / "a.txt", "two")
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["a.txt"]
    assert (tmp_path / "new" / "a.txt").read_text() == "two"


def test_nan_is_no_json(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"loss": float("nan")})
    assert list(tmp_path.iterdir()) == []
