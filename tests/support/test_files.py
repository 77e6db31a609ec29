import gzip
import json
import math
import os

import numpy as np
import pytest

from spine_tf.support.errors import RunError, ScanError
from spine_tf.support.files import json_values, remove_parts, whole_file, write_gzip, write_json, write_text
from spine_tf.support.json_reading import DEEPEST_JSON, MOST_JSON_BYTES, parse_json, read_json
from tests.support.hostile_json import HOSTILE


def test_files_appear_whole_and_leave_nothing_else(tmp_path):
    write_text(tmp_path / "new" / "a.txt", "one")
    write_text(tmp_path / "new" / "a.txt", "two")
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["a.txt"]
    assert (tmp_path / "new" / "a.txt").read_text() == "two"


def test_nan_is_no_json(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"loss": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_values_that_json_lacks_are_named():
    found = json_values({"a": [math.nan, -math.inf, 0.5], "b": {"c": np.float32("inf"), "d": np.float64("nan")}})
    assert found == {"a": ["nan", "-inf", 0.5], "b": {"c": "inf", "d": "nan"}}
    same = {"number": 3, "yes": True, "none": None, "text": "inf", "half": np.float32(0.5)}
    assert json.dumps(json_values(same)) == '{"number": 3, "yes": true, "none": null, "text": "inf", "half": 0.5}'


def test_a_failed_write_leaves_the_file_before_it_and_nothing_else(tmp_path):
    write_text(tmp_path / "a.txt", "one")

    def fail():
        with whole_file(tmp_path / "a.txt") as part:
            part.write_text("tw")
            raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "one"


def test_what_a_killed_writer_left_can_be_removed(tmp_path):
    (tmp_path / "a.txt").write_text("one")
    (tmp_path / ".notes.txt").write_text("not ours")
    killed = whole_file(tmp_path / "a.txt")
    killed.__enter__().write_text("tw")
    assert len(list(tmp_path.iterdir())) == 3
    remove_parts(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".notes.txt", "a.txt"]


def test_what_was_to_become_of_other_names_stays_and_folders_go_too(tmp_path):
    for name in (".01234567.a", ".01234567.b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mask").touch()
    remove_parts(tmp_path, {"a"})
    assert [path.name for path in tmp_path.iterdir()] == [".01234567.b"]


def test_gzip_files_of_one_content_are_equal(tmp_path):
    for name in ("a.gz", "b.gz"):
        write_gzip(tmp_path / name, b"spine")
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()
    assert gzip.decompress((tmp_path / "a.gz").read_bytes()) == b"spine"


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_hostile_json_is_one_line_with_the_files_name(tmp_path, content):
    (tmp_path / "facts.json").write_bytes(content)
    with pytest.raises(RunError, match=r"facts\.json must .*Received: ") as caught:
        read_json(tmp_path / "facts.json")
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 500


def test_no_file_and_what_is_no_file_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "dead.json").symlink_to(tmp_path / "absent")
    for name in ("absent.json", "pipe.json", "dead.json", "."):
        with pytest.raises(ScanError, match=r"must be a (JSON )?file. Received: "):
            read_json(tmp_path / name, error=ScanError)


def test_depth_and_size_are_bounded_and_the_bound_itself_is_allowed(monkeypatch):
    lists = [json.loads("[" * depth + "]" * depth) for depth in (DEEPEST_JSON, DEEPEST_JSON + 1)]
    assert parse_json(json.dumps(lists[0]), "a", list) == lists[0]
    with pytest.raises(RunError, match=f"must nest at most {DEEPEST_JSON} levels"):
        parse_json(json.dumps(lists[1]), "a", list)
    padded = b"{}" + b" " * (MOST_JSON_BYTES - 2)
    assert parse_json(padded, "a") == {}
    with pytest.raises(RunError, match="must have at most 16777216 bytes"):
        parse_json(padded + b" ", "a")


def test_keys_that_are_missing_are_named():
    assert parse_json('{"a": 1, "b": [0.5]}', "facts", keys=["a"]) == {"a": 1, "b": [0.5]}
    with pytest.raises(RunError, match=r"facts must have the keys \['a', 'c'\]. Received: no \['c'\]"):
        parse_json('{"a": 1}', "facts", keys=["a", "c"])


def test_a_state_of_training_may_be_infinite():
    found = parse_json('{"best": Infinity, "loss": NaN}', "state", finite=False)
    assert found["best"] == math.inf
    assert math.isnan(found["loss"])


def test_a_folder_of_such_a_name_is_nobodys_half_file(tmp_path):
    (tmp_path / ".0123abcd.folder").mkdir()
    remove_parts(tmp_path)
    remove_parts(tmp_path / "absent")
    assert (tmp_path / ".0123abcd.folder").is_dir()
