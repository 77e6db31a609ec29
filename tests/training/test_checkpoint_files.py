"""Checkpoints that disks, kills and hands have damaged."""

import json
import shutil

import keras
import numpy as np
import pytest

from spine_tf.support.errors import RunError
from spine_tf.training.checkpoint_files import (
    MODEL,
    STATE,
    State,
    check_checkpoint,
    latest_checkpoint,
    load_model,
    read_state,
    remove_half_written,
    write_checkpoint,
)
from tests.support.hostile_json import HOSTILE


def _history(epochs: int) -> list[dict]:
    return [{"epoch": n, "loss": 1.0 / n} for n in range(1, epochs + 1)]


@pytest.fixture(scope="module")
def model():
    made = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    made.compile(optimizer=keras.optimizers.Adamax(0.1), loss="mse", jit_compile=False)
    made.optimizer.build(made.trainable_variables)
    return made


@pytest.fixture
def run(model, tmp_path):
    for epochs in (1, 2, 3):
        state = State(epochs, _history(epochs), {"BestModel": {"best": float("inf"), "best_epoch": None}}, [(7, 8)])
        write_checkpoint(tmp_path, model, state)
    return tmp_path


def _without_hashes(checkpoint):
    (checkpoint / "manifest.json").unlink()
    return checkpoint


def test_two_are_kept_and_read_as_they_were_written(run, model):
    assert sorted(path.name for path in (run / "checkpoints").iterdir()) == ["epoch-0002", "epoch-0003"]
    found = latest_checkpoint(run)
    assert {path.name for path in found.iterdir()} == {MODEL, STATE, "manifest.json"}
    state = read_state(found)
    assert (state.epoch, state.history, state.random) == (3, _history(3), [(7, 8)])
    assert state.callbacks == {"BestModel": {"best": float("inf"), "best_epoch": None}}
    assert isinstance(state.history[0]["epoch"], int)
    np.testing.assert_array_equal(load_model(found).get_weights()[0], model.get_weights()[0])


@pytest.mark.parametrize("name", [MODEL, STATE])
@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_a_flipped_bit_is_one_line_with_the_files_name_and_the_checkpoint_before(run, name, place):
    path = latest_checkpoint(run) / name
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 4
    path.write_bytes(content)
    with pytest.raises(RunError, match=rf"{name} was changed; remove the folder epoch-0003 .* epoch-0002$") as caught:
        load_model(path.parent)
    assert len(str(caught.value).splitlines()) == 1
    shutil.rmtree(path.parent)
    assert read_state(latest_checkpoint(run)).epoch == 2
    load_model(latest_checkpoint(run))


@pytest.mark.parametrize("name", [MODEL, STATE])
def test_a_file_that_is_gone_or_torn_is_named(run, name):
    path = latest_checkpoint(run) / name
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(RunError, match=f"{name} was changed"):
        check_checkpoint(path.parent)
    path.unlink()
    with pytest.raises(RunError, match=f"{name} is missing"):
        check_checkpoint(path.parent)


def test_checkpoints_of_before_without_hashes_go_on_loading(run, model):
    found = _without_hashes(latest_checkpoint(run))
    state = json.loads((found / STATE).read_text())
    del state["seconds"]
    (found / STATE).write_text(json.dumps(state))
    assert read_state(found).seconds == 0.0
    np.testing.assert_array_equal(load_model(found).get_weights()[0], model.get_weights()[0])


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.99])
def test_a_torn_network_without_hashes_is_refused(run, keep):
    path = _without_hashes(latest_checkpoint(run)) / MODEL
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(RunError, match=r"model\.keras must be a whole \.keras file.*epoch-0002$"):
        load_model(path.parent)


def test_a_flipped_bit_without_hashes_is_refused_or_means_nothing(run, model):
    """Each byte of a zip file's directory tells something else; what is read is right, or nothing is."""
    path = _without_hashes(latest_checkpoint(run)) / MODEL
    content, weights, refusals = path.read_bytes(), model.get_weights(), []
    for place in np.linspace(0, len(content) - 1, 40).astype(int):
        damaged = bytearray(content)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        try:
            found = load_model(path.parent).get_weights()
        except RunError as error:
            refusals.append(str(error))
            continue
        for one, two in zip(found, weights, strict=True):
            np.testing.assert_array_equal(one, two)
    assert len(refusals) > 30
    assert all(len(said.splitlines()) == 1 and "model.keras must be a" in said for said in refusals)


@pytest.mark.parametrize("content", [*HOSTILE.values(), b"{}"], ids=[*HOSTILE, "an empty object"])
def test_a_hostile_state_is_one_line_with_its_name(run, content):
    path = _without_hashes(latest_checkpoint(run)) / STATE
    path.write_bytes(content)
    with pytest.raises(RunError, match=r"state\.json.* must .*epoch-0002$") as caught:
        check_checkpoint(path.parent)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"history": _history(2)}, r"history must be of the epochs 1 to 3. Received: history=\[1, 2\]"),
        (
            {"history": [*_history(2), {"loss": 0.1}]},
            r"history must be .*Received: history=\[1, 2, None\]",
        ),
        ({"epoch": 2, "history": _history(2)}, "epoch must be that of the checkpoint's name"),
        ({"epoch": True}, "epoch must be a valid integer"),
        ({"callbacks": {"BestModel": {"best": "low"}}}, r"callbacks\.BestModel\.best\.\S+ must be a valid"),
        ({"random": [[1, 2, 3]]}, r"random\.0 must be as declared"),
        ({"seconds": None}, "seconds must be a valid number"),
        ({"history": None}, "history must be a valid array"),
    ],
)
def test_a_state_that_does_not_fit_itself_is_refused(run, change, words):
    path = _without_hashes(latest_checkpoint(run)) / STATE
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(RunError, match=rf"state\.json: {words}"):
        check_checkpoint(path.parent)


def test_where_none_is_before_it_a_new_run_is_advised(run):
    found = latest_checkpoint(run)
    shutil.rmtree(found.with_name("epoch-0002"))
    (found / STATE).write_text("{}")
    with pytest.raises(RunError, match=r"there is no checkpoint before it: start a new run$"):
        check_checkpoint(found)


def test_half_a_checkpoint_is_none_and_is_swept(run):
    (run / "checkpoints" / ".epoch-0004.part").mkdir()
    (run / "checkpoints" / ".epoch-0004.part" / MODEL).touch()
    assert latest_checkpoint(run).name == "epoch-0003"
    remove_half_written(run)
    assert sorted(path.name for path in (run / "checkpoints").iterdir()) == ["epoch-0002", "epoch-0003"]
    assert latest_checkpoint(run / "nothing") is None
