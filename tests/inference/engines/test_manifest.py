import json

import pytest

from spine_tf.inference.engines.manifest import verify_manifest, write_manifest
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


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"files": 1}'])
def test_a_manifest_that_is_none(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(ModelError, match=r"(?s)must (have a|be as its) manifest.json"):
        verify_manifest(tmp_path)


def test_no_manifest(tmp_path):
    with pytest.raises(ModelError, match=r"must have a manifest\.json"):
        verify_manifest(tmp_path)
