import hashlib
import os
import socket

import pytest

from spine_tf.config import PreprocessSpec
from spine_tf.inference.engines import Engine
from spine_tf.inference.provenance import describe_input, model_sha256
from spine_tf.scans import ScanError


def test_a_file_is_its_bytes_wherever_it_lies(tmp_path):
    for name, content in (("a.nii", b"one"), ("b.nii", b"one"), ("c.nii", b"two")):
        (tmp_path / name).write_bytes(content)
    one, same, other = (describe_input(tmp_path / f"{name}.nii") for name in "abc")
    assert one == same == {"files": 1, "bytes": 3, "sha256": hashlib.sha256(b"\0\x003\0one").hexdigest()}
    assert other["sha256"] != one["sha256"]
    assert describe_input(tmp_path / "a.nii", series="1.2") != one


def test_a_folder_is_its_files_and_their_names(tmp_path):
    (tmp_path / "below").mkdir()
    (tmp_path / "1").write_bytes(b"one")
    (tmp_path / "below" / "2").write_bytes(b"two")
    first = describe_input(tmp_path)
    assert (first["files"], first["bytes"]) == (2, 6)
    # What the reader passes over does not count.
    (tmp_path / ".DS_Store").write_bytes(b"x")
    # And our own results, where the folder is the output too.
    (tmp_path / "a_seg-spine_msk.nii.gz").write_bytes(b"x")
    assert describe_input(tmp_path) == first
    (tmp_path / "below" / "2").write_bytes(b"owt")
    assert describe_input(tmp_path) != first


def test_no_more_of_a_file_is_read_than_fits_the_memory_budget(tmp_path):
    with open(tmp_path / "sparse.nii", "wb") as file:
        file.truncate(2**40)
    assert describe_input(tmp_path / "sparse.nii", memory_budget_gib=2**-10)["bytes"] == 2**40


def test_what_is_no_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.nii")
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "socket.nii"))
    for path in (tmp_path / "pipe.nii", tmp_path / "socket.nii", "/dev/zero"):
        with pytest.raises(ScanError, match="Received: a pipe, a socket or a device"):
            describe_input(path)
    listening.close()
    with pytest.raises(ScanError, match=r"none\.nii: a readable file is needed. Received: No such file"):
        describe_input(tmp_path / "none.nii")


def test_a_model_is_its_files_or_what_it_says_of_itself():
    engines = [Engine(lambda *views: views[0], PreprocessSpec(threshold=t), {}, "hand") for t in (0.5, 0.5, 0.6)]
    assert model_sha256(engines[0]) == model_sha256(engines[1]) != model_sha256(engines[2])
    assert model_sha256(Engine(lambda *views: views[0], PreprocessSpec(), {}, "file", sha256="0a")) == "0a"
