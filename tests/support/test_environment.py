import json

import pytest

from spine_tf.support.environment import describe_environment, git_commit, peak_memory_gib, processor


def test_environment_names_versions_and_hardware_but_no_person():
    facts = describe_environment()
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


@pytest.mark.parametrize(
    ("flags", "expected"), [("fpu avx2 avx512f", "A CPU, AVX-512"), ("fpu avx2", "A CPU, AVX2"), ("fpu", "A CPU")]
)
def test_a_processor_is_named_with_its_widest_vectors(flags, expected, tmp_path):
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nmodel name\t: A CPU\nflags\t\t: {flags}\n\nprocessor\t: 1\n")
    assert processor(tmp_path / "cpuinfo") == expected


def test_a_processor_that_linux_does_not_tell_of_has_some_name(tmp_path):
    (tmp_path / "cpuinfo").write_text("nothing of use\n")
    assert processor(tmp_path / "cpuinfo") == processor(tmp_path / "none") != ""
