import json

from spine_tf.report import environment, git_commit, peak_memory_gib


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
