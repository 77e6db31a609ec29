from pathlib import Path

import pytest

from spine_tf.inference.outputs import case_name, find_conflicts, output_paths, write_case
from spine_tf.support.errors import OutputError


@pytest.mark.parametrize(
    ("name", "case"),
    [
        ("sub-verse014_ct.nii.gz", "sub-verse014"),
        ("verse014.nii.gz", "verse014"),
        ("scan.nii", "scan"),
        ("series.v2", "series.v2"),
        ("_ct.nii.gz", "_ct"),
        ("UPPER_CT.NII.GZ", "UPPER"),
        ("folder/..", Path.cwd().name),
    ],
)
def test_cases_are_named_after_their_files(name, case):
    assert case_name(Path(name)) == case


def test_a_link_gives_its_own_name(tmp_path):
    """git-annex and DataLad keep a file under its digest, and a link of its name."""
    (tmp_path / "SHA256E-s38000--0a.nii.gz").write_bytes(b"")
    (tmp_path / "sub-01_ct.nii.gz").symlink_to("SHA256E-s38000--0a.nii.gz")
    assert case_name(tmp_path / "sub-01_ct.nii.gz") == "sub-01"


def test_links_do_not_hide_that_an_input_would_be_replaced(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "link").symlink_to("out")
    given = [tmp_path / "a_ct.nii.gz", tmp_path / "out" / "a_seg-spine_msk.nii.gz"]
    assert find_conflicts(given, ["a", "m"], tmp_path / "link")[0].startswith("output must not replace an input")
    assert find_conflicts(given, ["a", "m"], tmp_path / "elsewhere") == [None, None]


def test_files_are_written_all_or_none(tmp_path):
    paths = output_paths(tmp_path, "a")

    def write(parts, content="one", fails=False):
        parts["mask"].write_text(content)
        assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] in ([], sorted_names)
        if fails:
            raise OSError(28, "No space left on device")
        return {"case": "a", "mask": parts["mask"].name}

    sorted_names = []
    with pytest.raises(OutputError, match=r"Received: .*: No space left on device"):
        write_case(tmp_path, "a", lambda parts: write(parts, fails=True))
    assert list(tmp_path.iterdir()) == []
    write_case(tmp_path, "a", write)
    sorted_names = [path.name for path in tmp_path.iterdir()]
    with pytest.raises(OutputError):
        write_case(tmp_path, "a", lambda parts: write(parts, "two", fails=True))
    assert paths["mask"].read_text() == "one"
    assert write_case(tmp_path, "a", lambda parts: write(parts, "two"))["files"].keys() == {"mask"}
    assert paths["mask"].read_text() == "two"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a_report.json", "a_seg-spine_msk.nii.gz"]
