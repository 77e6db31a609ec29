"""Checkpoints written here byte by byte, as torch.save would, and some that it never would."""

import pickle

import numpy as np
import pytest

from spine_tf.models.torch_pickle import CheckpointRefused, read_torch
from tests.support.torch_files import archive, ordered_dict, storage, stream, tensor, text

SIX = np.arange(6, dtype="<f4")
SIX_PLACE = storage("FloatStorage", "0", 6)


def test_a_stream_reads_back():
    loaded = ordered_dict(
        w=tensor(storage("FloatStorage", "7", 6, b"N"), 0, (2, 3), (3, 1)),
        turned=tensor(storage("FloatStorage", "7", 6, b"N"), 0, (3, 2), (1, 3)),
        steps=tensor(storage("LongStorage", "2", 1, b"N"), 0, (), ()),
    )
    state = read_torch(stream(loaded, {"2": np.array([300], "<i8"), "7": SIX}))
    assert list(state) == ["w", "turned", "steps"]
    np.testing.assert_array_equal(state["w"], [[0, 1, 2], [3, 4, 5]])
    # The same numbers in memory, read with the strides of a transposed tensor.
    np.testing.assert_array_equal(state["turned"], [[0, 3], [1, 4], [2, 5]])
    assert state["turned"].flags.c_contiguous
    assert (state["w"].dtype, state["steps"].dtype, int(state["steps"])) == (np.float32, np.int64, 300)


def test_an_archive_reads_back_with_its_bfloat16():
    half = tensor(storage("BFloat16Storage", "0", 3), 1, (2,), (1,))
    inner = ordered_dict(bias=half)
    state = read_torch(
        archive(
            b"}(" + text("state_dict") + inner + text("epoch") + b"K\x09u",
            {"0": np.array([0x4000, 0x3FC0, 0xC020], "<u2")},
        )
    )
    # bfloat16 is the first half of a float32: sign, 8 bits of exponent, 7 of fraction. The tensor starts at the second.
    assert state["epoch"] == 9
    assert state["state_dict"]["bias"].dtype == np.float32
    np.testing.assert_array_equal(state["state_dict"]["bias"], [1.5, -2.5])


@pytest.mark.parametrize("form", [stream, archive])
@pytest.mark.parametrize(
    "name", ["os\nsystem", "posix\nsystem", "builtins\neval", "torch\nload", "collections\nCounter"]
)
def test_whatever_else_a_pickle_names_is_refused_and_not_called(form, name, tmp_path):
    canary = tmp_path / "ran"
    call = b"c" + name.encode() + b"\n(" + text(f"touch {canary}") + b"tR"
    with pytest.raises(
        CheckpointRefused, match=f"tensors and dicts alone.*Received: it names {name.replace(chr(10), '.')}"
    ):
        read_torch(form(ordered_dict(w=call), {"0": SIX}))
    assert not canary.exists()


def test_the_small_pickles_before_the_tensors_are_held_to_the_same_rules(tmp_path):
    canary = tmp_path / "ran"
    call = b"\x80\x02cos\nsystem\n(" + text(f"touch {canary}") + b"tR."
    with pytest.raises(CheckpointRefused, match=r"it names os\.system"):
        read_torch(call)
    assert not canary.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (stream(ordered_dict(w=tensor(SIX_PLACE, 0, (2, 3), (3, 1))), {"0": SIX})[:-1], "23 bytes"),
        (archive(ordered_dict(w=tensor(SIX_PLACE, 0, (2, 3), (3, 1))), {"0": SIX[:5]}), "20 bytes"),
        (archive(ordered_dict(w=tensor(SIX_PLACE, 1, (2, 3), (3, 1))), {"0": SIX}), "inside their storages"),
        # Strides of 0 would make a huge array of a small storage.
        (archive(ordered_dict(w=tensor(SIX_PLACE, 0, (99, 99), (0, 0))), {"0": SIX}), "inside their storages"),
        (archive(ordered_dict(w=tensor(SIX_PLACE, 0, (6,), (1,))), {}), "whole PyTorch checkpoint"),
        (archive(ordered_dict(), {}, b"big"), "little-endian"),
        (stream(ordered_dict(), {}, little_endian=False), "little-endian"),
        (
            stream(ordered_dict(w=tensor(storage("FloatStorage", "0", 6, text("v")), 0, (6,), (1,))), {"0": SIX}),
            "plain storages",
        ),
        (pickle.dumps("a text", 2), "whole PyTorch checkpoint"),
        (pickle.dumps(1, 2) + pickle.dumps(2, 2), "must start as torch.save"),
        (b"", "whole PyTorch checkpoint"),
        (b"PK\x03\x04 and no more", "whole PyTorch checkpoint"),
    ],
)
def test_what_is_no_whole_checkpoint_is_refused(content, message):
    with pytest.raises(CheckpointRefused, match=rf"{message}[\s\S]*"):
        read_torch(content)
