import json
import os
import socket
import tempfile
from pathlib import Path

import pytest

from spine_tf.inference.engines import SHIPPED
from spine_tf.inference.engines.manifest import checked_model, verify_manifest, write_manifest
from spine_tf.support.errors import ModelError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "litert").mkdir()
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "litert" / "b.txt").write_text("b")
    write_manifest(tmp_path)
    return tmp_path


def test_every_file_has_its_sha256(folder):
    listed = json.loads((folder / "manifest.json").read_text())["files"]
    # The SHA-256 of the letter a, as any tool gives it.
    assert listed["a.txt"] == "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
    assert sorted(listed) == ["a.txt", "litert/b.txt"]
    verify_manifest(folder)


def test_what_is_changed_missing_or_new_is_named(folder):
    (folder / "a.txt").write_text("A")
    (folder / "litert" / "b.txt").unlink()
    (folder / "c.txt").write_text("c")
    with pytest.raises(ModelError, match=r"litert/b.txt is missing; c.txt is not in it; a.txt was changed"):
        verify_manifest(folder)


def test_only_the_files_that_matter(folder):
    (folder / "c.txt").write_text("c")
    verify_manifest(folder, ("a.txt",))
    (folder / "a.txt").write_text("A")
    verify_manifest(folder, ("litert/b.txt",))
    with pytest.raises(ModelError, match=r"a\.txt was changed"):
        verify_manifest(folder, ("a.txt", "litert/b.txt"))
    with pytest.raises(ModelError, match=r"c\.txt is not in it"):
        verify_manifest(folder, ("c.txt",))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"files": 1}', '{"files": NaN}', "5", "null", "[" * 3000])
def test_a_manifest_that_is_none(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(ModelError, match=r"(?s)must (have a|be as its) manifest.json"):
        verify_manifest(tmp_path)


def test_no_manifest(tmp_path):
    with pytest.raises(ModelError, match=r"must have a manifest\.json"):
        verify_manifest(tmp_path)


@pytest.fixture(scope="module")
def socket_folder():
    """A short path: a socket's may have 107 characters."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def _link_folder(folder):
    (folder / "odd").symlink_to(folder.parent, target_is_directory=True)


def _link_to_nothing(folder):
    (folder / "odd").symlink_to(folder / "nowhere")


def _pipe(folder):
    os.mkfifo(folder / "odd")


def _link_to_a_device(folder):
    (folder / "odd").symlink_to("/dev/zero")


def _empty_folder(folder):
    (folder / "odd").mkdir()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_link_folder, "odd is a linked folder"),
        (_link_to_nothing, "odd is a dead link"),
        (_pipe, "odd is no regular file"),
        (_link_to_a_device, "odd is no regular file"),
        (_empty_folder, "odd is an empty folder"),
    ],
)
def test_what_is_neither_a_file_nor_a_filled_folder_is_named(folder, make, words):
    make(folder)
    with pytest.raises(ModelError, match=f"{words}$"):
        verify_manifest(folder)
    with pytest.raises(ModelError, match=f"{words}$"):
        write_manifest(folder)


def test_a_socket_is_named(socket_folder):
    write_manifest(socket_folder)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(socket_folder / "odd"))
        with pytest.raises(ModelError, match=r"odd is no regular file$"):
            verify_manifest(socket_folder)


@pytest.mark.parametrize("replace", [_pipe, _link_to_a_device, _link_to_nothing])
def test_a_listed_file_that_became_something_else_is_never_waited_for(folder, replace):
    (folder / "a.txt").rename(folder / "odd")
    write_manifest(folder)
    (folder / "odd").unlink()
    replace(folder)
    with pytest.raises(ModelError, match="odd is"):
        verify_manifest(folder)
    with pytest.raises(ModelError, match="odd is missing"):
        verify_manifest(folder, ("odd",))


def test_the_empty_folder_that_tensorflow_makes_may_be_there(folder):
    (folder / "assets").mkdir()
    verify_manifest(folder)


def test_a_link_to_a_file_counts_by_its_content(folder):
    (folder / "a.txt").rename(folder.parent / "elsewhere.txt")
    (folder / "a.txt").symlink_to(folder.parent / "elsewhere.txt")
    verify_manifest(folder)
    (folder.parent / "elsewhere.txt").write_text("A")
    with pytest.raises(ModelError, match=r"a\.txt was changed"):
        verify_manifest(folder)


def test_what_is_loaded_is_what_was_checked(folder):
    with checked_model(folder) as copy:
        (folder / "a.txt").write_text("A")
        (folder / "litert" / "b.txt").unlink()
        assert copy.name == folder.name
        assert (copy / "a.txt").read_text() == "a"
        assert (copy / "litert" / "b.txt").read_text() == "b"
    assert not copy.exists()
    with pytest.raises(ModelError, match=r"b\.txt is missing; a\.txt was changed"), checked_model(folder):
        pass


def test_a_file_is_checked_where_a_manifest_lies_beside_it(tmp_path):
    network = tmp_path / "model.keras"
    network.write_text("network")
    with checked_model(network) as same:
        assert same == network
    write_manifest(tmp_path)
    with pytest.raises(ModelError, match=r"metadata\.json is missing"), checked_model(network):
        pass
    (tmp_path / "metadata.json").write_text("{}")
    write_manifest(tmp_path)
    (tmp_path / "notes.txt").write_text("of somebody else")
    with checked_model(network) as copy:
        assert sorted(path.name for path in copy.parent.iterdir()) == ["metadata.json", "model.keras"]
        assert copy.read_text() == "network"


def test_a_manifest_is_bounded(folder):
    (folder / "manifest.json").write_text('{"files": {}}' + " " * 2**24)
    with pytest.raises(ModelError, match="more than 16777216 bytes"):
        verify_manifest(folder)


def test_the_shipped_model_is_as_its_manifest_says():
    verify_manifest(SHIPPED, ("LICENSE", "README.md", "metadata.json", "model.keras"))
