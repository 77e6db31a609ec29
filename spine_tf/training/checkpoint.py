"""Callbacks that keep a run whole: the best model, and a checkpoint from which training goes on as if never stopped.

Keras' BackupAndRestore forgets ReduceLROnPlateau's counters, so that a resumed run trains at another learning rate.
"""

import json
import math
import os
import shutil
import time
from pathlib import Path

import keras

from spine_tf.models.layers import synchronize_normalization
from spine_tf.support.files import flush, whole_file, write_json, write_text
from spine_tf.training.run_folder import RunFolder

STATES = {
    "ReduceLROnPlateau": ("best", "wait", "cooldown_counter"),
    "BestModel": ("best", "best_epoch"),
    "GradientSensitivityPruning": ("asked",),
}
"""Attributes of callbacks that must survive a stop, by class name."""

MODEL, STATE = "model.keras", "state.json"
"""Files of a checkpoint."""


def save_model(model: keras.Model, path: Path) -> None:
    """Save a `.keras` file whole or not at all; flushed to disk before it gets its name."""
    with whole_file(path) as part:
        model.save(part)


class BestModel(keras.callbacks.Callback):
    """Keep the model of the epoch with the lowest monitored loss as `<folder>/best.keras`, without optimizer state.

    A NaN is never the lowest, so a run that blows up leaves the best model as it was.
    """

    def __init__(self, folder, monitor: str = "val_loss"):
        super().__init__()
        self.folder, self.monitor = RunFolder(folder), monitor
        self.best, self.best_epoch = float("inf"), None
        self._plain = None

    def get_config(self) -> dict:
        return {"folder": str(self.folder.path), "monitor": self.monitor}

    def on_epoch_end(self, epoch, logs=None):
        value = (logs or {}).get(self.monitor)
        if value is None:
            raise ValueError(f"monitor must be a logged value. Received: {self.monitor!r}, logged {sorted(logs or {})}")
        if not value < self.best:
            return
        self.best, self.best_epoch = float(value), epoch
        if self._plain is None:
            # An uncompiled twin: Adamax would make the file three times as large, and prediction has no use for it.
            self._plain = type(self.model).from_config(self.model.get_config())
            synchronize_normalization(self._plain, False)
        self._plain.set_weights(self.model.get_weights())
        save_model(self._plain, self.folder.network)


class Checkpoint(keras.callbacks.Callback):
    """After every epoch, a checkpoint of everything a run consists of; at the start of training, the last one restored.

    `<folder>/checkpoints/epoch-0007/` holds model and optimizer with its learning rate (`model.keras`) and what a
    `.keras` file forgets (`state.json`): epoch, history, seconds, counters of the other callbacks, the state of
    dropout's random generators. The folder appears by rename, complete; older ones are then deleted. Also rewrites
    `<folder>/history.csv`.

    Must be the last callback of the list: it saves and restores the states of those before it.

    Args:
        folder: the run's.
        callbacks: those before it.
        writes: False where another worker writes; the last checkpoint is restored all the same.
        seconds_apart: an epoch that ends sooner after the last checkpoint gets none, unless it is the last epoch. After
            a stop its like is trained again; `best.keras` may be its own until then.
    """

    def __init__(
        self, folder, callbacks: list[keras.callbacks.Callback], writes: bool = True, seconds_apart: float = 0.0
    ):
        super().__init__()
        self.folder, self.writes, self.seconds_apart = RunFolder(folder), writes, seconds_apart
        self.tracked = [c for c in callbacks if type(c).__name__ in STATES]
        self.history: list[dict] = []
        self.diverged: int | None = None
        found = latest_checkpoint(self.folder.path)
        self.restored = json.loads((found / STATE).read_text()) if found else None
        if self.restored:
            self.history = self.restored["history"]
        self.seconds_before = self.restored.get("seconds", 0.0) if self.restored else 0.0
        self._start = self._written = time.monotonic()

    def get_config(self) -> dict:
        return {"folder": str(self.folder.path), "writes": self.writes, "seconds_apart": self.seconds_apart}

    @property
    def seconds(self) -> float:
        """What training has taken, with the parts of the run before this one."""
        return self.seconds_before + time.monotonic() - self._start

    def on_train_begin(self, logs=None):
        for callback in self.tracked if self.restored else ():
            for name, value in self.restored["callbacks"].get(type(callback).__name__, {}).items():
                setattr(callback, name, value)
        if self.restored:
            for variable, value in zip(_random_states(self.model), self.restored["random"], strict=True):
                variable.assign(value)

    def on_epoch_end(self, epoch, logs=None):
        if not math.isfinite((logs or {}).get("loss", 0.0)):
            # Nothing to go on from: the checkpoint before it stays.
            self.diverged = epoch + 1
            return
        self.history.append({"epoch": epoch + 1, **{k: float(v) for k, v in (logs or {}).items()}})
        if not self.writes:
            return
        columns = list(self.history[-1])
        rows = [",".join(columns)] + [",".join(repr(row.get(c, "")) for c in columns) for row in self.history]
        write_text(self.folder.history, "\n".join(rows) + "\n")
        is_last = self.model.stop_training or epoch + 1 == (self.params or {}).get("epochs", epoch + 1)
        if is_last or time.monotonic() - self._written >= self.seconds_apart:
            self._write(epoch)
            self._written = time.monotonic()

    def _write(self, epoch: int) -> None:
        states = {type(c).__name__: {name: getattr(c, name) for name in STATES[type(c).__name__]} for c in self.tracked}
        final = self.folder.checkpoints / f"epoch-{epoch + 1:04d}"
        part = final.with_name(f".{final.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        save_model(self.model, part / MODEL)
        state = {
            "epoch": epoch + 1,
            "history": self.history,
            "seconds": self.seconds,
            "callbacks": states,
            "random": [keras.ops.convert_to_numpy(v).tolist() for v in _random_states(self.model)],
        }
        write_text(part / STATE, json.dumps(state, default=float))
        shutil.rmtree(final, ignore_errors=True)
        os.rename(part, final)
        flush(final.parent)
        for old in sorted(final.parent.glob("epoch-*")):
            if old.name < final.name:
                shutil.rmtree(old)


def latest_checkpoint(folder: Path) -> Path | None:
    """The folder of the newest complete checkpoint of a run, or None."""
    found = sorted(RunFolder(folder).checkpoints.glob("epoch-*"))
    return found[-1] if found else None


def write_metadata(folder: Path, metadata: dict) -> None:
    """`metadata.json`, without which no model of the folder is used (`engines.load_engine`)."""
    write_json(RunFolder(folder).metadata, metadata)


def _random_states(model: keras.Model) -> list[keras.Variable]:
    return [variable for variable in model.variables if variable.name == "seed_generator_state"]
