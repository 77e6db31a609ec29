"""Keeps a run whole with callbacks: the best model, and a checkpoint from which training goes on as if never stopped.

Keras' BackupAndRestore forgets ReduceLROnPlateau's counters, so that a resumed run trains at another learning rate.
"""

import math
import time
from pathlib import Path

import keras

from spine_tf.support.errors import RunError
from spine_tf.support.files import write_json, write_text
from spine_tf.training.checkpoint_files import STATE, State, latest_checkpoint, read_state, save_model, write_checkpoint
from spine_tf.training.distributed import synchronize_normalization
from spine_tf.training.run_folder import RunFolder

STATES = {
    "ReduceLROnPlateau": ("best", "wait", "cooldown_counter"),
    "BestModel": ("best", "best_epoch"),
    "GradientSensitivityPruning": ("asked",),
}
"""Attributes of callbacks that must survive a stop, by class name."""


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
    """Write a checkpoint of everything a run consists of after every epoch; restore the last one when training starts.

    What a checkpoint holds: `checkpoint_files`. Also rewrites `<folder>/history.csv` with every checkpoint.

    Must be the last callback of the list: it saves and restores the states of those before it.

    Args:
        folder: the run's.
        callbacks: those before it.
        writes: False where another worker writes; the last checkpoint is restored all the same.
        seconds_apart: an epoch that ends sooner after the last checkpoint gets none, unless it is the last epoch. After
            a stop its like is trained again; `best.keras` may be its own until then.

    Raises:
        RunError: the last checkpoint's state is damaged, or does not fit the callbacks or the model.
    """

    def __init__(
        self, folder, callbacks: list[keras.callbacks.Callback], writes: bool = True, seconds_apart: float = 0.0
    ):
        super().__init__()
        self.folder, self.writes, self.seconds_apart = RunFolder(folder), writes, seconds_apart
        self.tracked = {type(c).__name__: c for c in callbacks if type(c).__name__ in STATES}
        self.diverged: int | None = None
        found = latest_checkpoint(folder)
        self.restored = read_state(found) if found else None
        self.history: list[dict] = self.restored.history if found else []
        self.seconds_before = self.restored.seconds if found else 0.0
        self._start = self._written = time.monotonic()

    def get_config(self) -> dict:
        return {"folder": str(self.folder.path), "writes": self.writes, "seconds_apart": self.seconds_apart}

    @property
    def seconds(self) -> float:
        """What training has taken, with the parts of the run before this one."""
        return self.seconds_before + time.monotonic() - self._start

    def on_train_begin(self, logs=None):
        if self.restored is None:
            return
        for kind, callback in self.tracked.items():
            stored = self.restored.callbacks.get(kind, {})
            self._require(stored.keys() == {*STATES[kind]}, f"the state of {kind}", sorted(stored))
            for name, value in stored.items():
                setattr(callback, name, value)
        states, stored = _random_states(self.model), self.restored.random
        self._require(len(stored) == len(states), f"the states of {len(states)} random generators", len(stored))
        for variable, value in zip(states, stored, strict=True):
            variable.assign(value)

    def on_epoch_end(self, epoch, logs=None):
        if not math.isfinite((logs or {}).get("loss", 0.0)):
            # Nothing to go on from: the checkpoint before it stays.
            self.diverged = epoch + 1
            return
        self.history.append({"epoch": epoch + 1, **{k: float(v) for k, v in (logs or {}).items()}})
        is_last = self.model.stop_training or epoch + 1 == (self.params or {}).get("epochs", epoch + 1)
        if self.writes and (is_last or time.monotonic() - self._written >= self.seconds_apart):
            self._write()
            self._written = time.monotonic()

    def _write(self) -> None:
        states = {kind: {name: getattr(c, name) for name in STATES[kind]} for kind, c in self.tracked.items()}
        random = [keras.ops.convert_to_numpy(v).tolist() for v in _random_states(self.model)]
        state = State(len(self.history), self.history, states, random, self.seconds)
        write_checkpoint(self.folder.path, self.model, state)
        # After the checkpoint: a history without one is refused when the run is resumed.
        write_history(self.folder.history, self.history)

    def _require(self, fits: bool, expected: str, received) -> None:
        if not fits:
            path = latest_checkpoint(self.folder.path) / STATE
            raise RunError(f"{path} must hold {expected}. Received: {received}")


def write_history(path: Path, history: list[dict]) -> None:
    """Write `history.csv`: the columns of the last epoch, a row an epoch."""
    columns = list(history[-1])
    rows = [",".join(columns)] + [",".join(repr(row.get(c, "")) for c in columns) for row in history]
    write_text(path, "\n".join(rows) + "\n")


def write_metadata(folder: Path, metadata: dict) -> None:
    """Write `metadata.json`, without which no model of the folder is used (`engines.load_engine`)."""
    write_json(RunFolder(folder).metadata, metadata)


def _random_states(model: keras.Model) -> list[keras.Variable]:
    return [variable for variable in model.variables if variable.name == "seed_generator_state"]
