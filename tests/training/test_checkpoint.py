import json

import keras
import numpy as np
import pytest

from spine_tf.support.errors import RunError
from spine_tf.training.checkpoint import BestModel, Checkpoint, write_metadata
from spine_tf.training.checkpoint_files import latest_checkpoint, save_model


def _model(rate=0.1):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(4), keras.layers.Dropout(0.5), keras.layers.Dense(1)]
    )
    model.compile(optimizer=keras.optimizers.Adamax(rate), loss="mse", jit_compile=False)
    return model


X, Y = np.float32([[0, 1], [1, 0], [1, 1], [2, 1]]), np.float32([[1], [2], [3], [5]])


def _fit(model, folder, epochs, initial_epoch=0):
    plateau = keras.callbacks.ReduceLROnPlateau("loss", 0.5, patience=2, min_delta=100.0)
    best = BestModel(folder, "loss")
    checkpoint = Checkpoint(folder, [plateau, best])
    done = len(checkpoint.history)
    assert done == initial_epoch
    model.fit(X, Y, epochs=epochs, initial_epoch=done, batch_size=2, shuffle=False, verbose=0,
              callbacks=[plateau, best, checkpoint])  # fmt: skip
    return plateau, best, checkpoint


def test_a_resumed_run_is_the_uninterrupted_one(tmp_path):
    whole = _model()
    plateau, best, _ = _fit(whole, tmp_path / "whole", 7)
    # Never an improvement by 100: the rate halves with every second epoch after the first.
    assert float(whole.optimizer.learning_rate) == pytest.approx(0.1 / 8)
    _fit(_model(), tmp_path / "parts", 4)
    resumed = keras.saving.load_model(latest_checkpoint(tmp_path / "parts") / "model.keras")
    resumed_plateau, resumed_best, checkpoint = _fit(resumed, tmp_path / "parts", 7, initial_epoch=4)
    for a, b in zip(whole.variables + whole.optimizer.variables, resumed.variables + resumed.optimizer.variables,
                    strict=True):  # fmt: skip
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b), err_msg=a.path)
    assert (resumed_plateau.wait, resumed_plateau.best) == (plateau.wait, plateau.best)
    assert (resumed_best.best, resumed_best.best_epoch) == (best.best, best.best_epoch)
    assert [row["epoch"] for row in checkpoint.history] == list(range(1, 8))
    rows = (tmp_path / "parts" / "history.csv").read_text().splitlines()
    assert (tmp_path / "whole" / "history.csv").read_text().splitlines() == rows
    assert len(rows) == 8


@pytest.mark.parametrize("last", [3, 1])
def test_epochs_that_end_too_soon_get_no_checkpoint_but_the_last_one_does(tmp_path, last):
    class StopAfter(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch + 1 == last

    found = []
    look = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: found.append(latest_checkpoint(tmp_path)))
    checkpoint = Checkpoint(tmp_path, [], seconds_apart=3600.0)
    _model().fit(X, Y, epochs=3, verbose=0, callbacks=[StopAfter(), checkpoint, look])
    assert [path and path.name for path in found] == [*[None] * (last - 1), f"epoch-000{last}"]
    assert len((tmp_path / "history.csv").read_text().splitlines()) == last + 1
    assert len(Checkpoint(tmp_path, []).history) == last


def test_a_state_of_other_callbacks_or_another_network_is_not_restored(tmp_path):
    model = _model()
    _fit(model, tmp_path, 1)
    path = latest_checkpoint(tmp_path) / "state.json"
    state = json.loads(path.read_text())
    changes = [
        ({"random": []}, r"state\.json must hold the states of 1 random generators. Received: 0"),
        ({"callbacks": {}}, r"state\.json must hold the state of ReduceLROnPlateau. Received: \[\]"),
        ({"callbacks": state["callbacks"] | {"BestModel": {"folder": 1}}}, r"the state of BestModel. .*\['folder'\]"),
    ]
    for change, words in changes:
        path.write_text(json.dumps(state | change))
        with pytest.raises(RunError, match=words):
            _fit(model, tmp_path, 2, initial_epoch=1)


def test_the_best_model_is_that_of_the_lowest_loss_and_nan_is_not_low(tmp_path):
    model = _model()
    best = BestModel(tmp_path)
    best.set_model(model)
    for epoch, loss in enumerate((0.5, 0.2, 0.3, float("nan"))):
        model.layers[-1].bias.assign([float(epoch)])
        best.on_epoch_end(epoch, {"val_loss": loss})
    assert (best.best, best.best_epoch) == (0.2, 1)
    kept = keras.saving.load_model(tmp_path / "best.keras")
    assert kept.layers[-1].bias.numpy() == [1.0]
    assert not kept.compiled
    assert [path.name for path in tmp_path.iterdir()] == ["best.keras"]


def test_a_value_that_is_not_logged_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"monitor must be a logged value.*'val_loss'.*\['loss'\]"):
        BestModel(tmp_path).on_epoch_end(0, {"loss": 1.0})


def test_a_failed_save_leaves_the_file_before_it(tmp_path):
    path = tmp_path / "m.keras"
    save_model(_model(), path)
    before = path.read_bytes()

    class Broken(keras.layers.Layer):
        def get_config(self):
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        save_model(keras.Sequential([keras.Input((2,)), Broken()]), path)
    assert path.read_bytes() == before


def test_metadata_is_json(tmp_path):
    write_metadata(tmp_path, {"preprocess": {"image_size": 32}})
    assert json.loads((tmp_path / "metadata.json").read_text())["preprocess"]["image_size"] == 32


def test_configs_name_their_folder(tmp_path):
    assert BestModel(tmp_path, "loss").get_config() == {"folder": str(tmp_path), "monitor": "loss"}
    config = {"folder": str(tmp_path), "writes": True, "seconds_apart": 5.0}
    assert Checkpoint(tmp_path, [], seconds_apart=5.0).get_config() == config
