"""Reads and writes the checkpoints of a run; one that is damaged is refused, never trained on.

`<run>/checkpoints/epoch-0007/` holds `model.keras`, `state.json` and, written last, `manifest.json` with the SHA-256 of
both. It appears by rename, complete; the one before it is kept beside it. Checkpoints of version 0.1.0 have no
manifest: of those, the archive's own check sums are read.
"""

import json
import os
import shutil
import zipfile
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path

import keras

from spine_tf.config import require
from spine_tf.config.stored import dataclass_from_dict
from spine_tf.inference.engines.manifest import MANIFEST, verify_manifest, write_manifest
from spine_tf.support.errors import ModelError, RunError
from spine_tf.support.files import flush, whole_file, write_text
from spine_tf.support.json_reading import blaming, read_json
from spine_tf.training.run_folder import RunFolder

MODEL, STATE = "model.keras", "state.json"
"""Files of a checkpoint: the model with its optimizer, and what a `.keras` file forgets."""

KEPT = 2
"""The newest, and one to go back to where that is damaged."""


@dataclass(frozen=True)
class State:
    """What a `.keras` file does not hold of a run.

    Example:
        >>> State(1, [{"epoch": 1, "loss": 0.5}], {}, []).epoch
        1
        >>> State(2, [{"epoch": 1, "loss": 0.5}], {}, [])
        Traceback (most recent call last):
        ValueError: history must be of the epochs 1 to 2. Received: history=[1]
    """

    epoch: int
    """Epochs done."""
    history: list[dict[str, int | float]]
    """The logged values of each of them."""
    callbacks: dict[str, dict[str, int | float | None]]
    """Class name -> attribute -> value (`checkpoint.STATES`)."""
    random: list[tuple[int, int]]
    """The states of dropout's random generators, in the order of the model's variables."""
    seconds: float = 0.0
    """What training has taken."""

    def __post_init__(self):
        epochs = [row.get("epoch") for row in self.history]
        whole = epochs == [*range(1, self.epoch + 1)]
        require(whole, "history", f"of the epochs 1 to {self.epoch}", epochs)


def save_model(model: keras.Model, path: Path) -> None:
    """Save a `.keras` file whole or not at all; flushed to disk before it gets its name."""
    with whole_file(path) as part:
        model.save(part)


def latest_checkpoint(folder: Path) -> Path | None:
    """Find the newest complete checkpoint of a run.

    Args:
        folder: the run's.

    Returns:
        The checkpoint's folder, or None.

    Example:
        >>> Path("run/checkpoints/epoch-0007").mkdir(parents=True)
        >>> latest_checkpoint("run")
        PosixPath('run/checkpoints/epoch-0007')
    """
    found = _checkpoints(folder)
    return found[-1] if found else None


def check_checkpoint(checkpoint: Path) -> None:
    """Refuse a checkpoint whose files are not as they were written.

    Args:
        checkpoint: of `latest_checkpoint`.

    Raises:
        RunError: a file is missing or damaged; the message names it, and the checkpoint before this one.
    """
    try:
        if (checkpoint / MANIFEST).exists():
            verify_manifest(checkpoint, (MODEL, STATE))
        else:
            _check_archive(checkpoint / MODEL)
        read_state(checkpoint)
    except (ModelError, RunError) as error:
        raise RunError(f"{error}; {_advice(checkpoint)}") from None


def load_model(checkpoint: Path) -> keras.Model:
    """Load the model of a checkpoint, compiled as it was, once `check_checkpoint` has found no fault.

    Raises:
        RunError: as `check_checkpoint`, or Keras cannot load the file.
    """
    check_checkpoint(checkpoint)
    try:
        return keras.saving.load_model(checkpoint / MODEL)
    except Exception as error:  # a damaged file without a manifest fails wherever Keras or HDF5 stumbles on it
        said = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        expected = "must be a network as training saves it"
        raise RunError(f"{checkpoint / MODEL} {expected}. Received: {said}; {_advice(checkpoint)}") from error


def read_state(checkpoint: Path) -> State:
    """Read `state.json` of a checkpoint.

    Raises:
        RunError: it is damaged, or its history is not that of all epochs.
    """
    path = checkpoint / STATE
    # A loss may be NaN, and what was the best so far is infinite before the first epoch.
    values = read_json(path, finite=False)
    with blaming(path, RunError):
        state = dataclass_from_dict(State, values)
        require(checkpoint.name == _name(state.epoch), "epoch", "that of the checkpoint's name", state.epoch)
    return state


def write_checkpoint(folder: Path, model: keras.Model, state: State) -> None:
    """Write a checkpoint of a run whole or not at all; of those before it, one is left.

    Args:
        folder: the run's.
        model: compiled; saved with its optimizer.
        state: the rest.
    """
    final = RunFolder(folder).checkpoints / _name(state.epoch)
    part = final.with_name(f".{final.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    # Before the new one is written, not after: the disk need not hold one more.
    for old in [found for found in _checkpoints(folder) if found != final][: 1 - KEPT]:
        shutil.rmtree(old)
    part.mkdir(parents=True)
    save_model(model, part / MODEL)
    write_text(part / STATE, json.dumps(asdict(state), default=float))
    write_manifest(part)
    shutil.rmtree(final, ignore_errors=True)
    os.rename(part, final)
    flush(final.parent)


def remove_half_written(folder: Path) -> None:
    """Remove what a training that was killed left of a checkpoint. Nobody may be training in the folder."""
    for part in RunFolder(folder).checkpoints.glob(".epoch-*.part"):
        shutil.rmtree(part)


def _checkpoints(folder: Path) -> list[Path]:
    return sorted(RunFolder(folder).checkpoints.glob("epoch-*"))


def _name(epoch: int) -> str:
    return f"epoch-{epoch:04d}"


def _check_archive(path: Path) -> None:
    """Compare every member of a `.keras` file with its check sum: Keras, which jumps about in it, does not."""
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise RunError(f"{path} must be a whole .keras file. Received: {type(error).__name__}: {error}") from None
    if broken:
        raise RunError(f"{path} must be a whole .keras file. Received: a damaged {broken}")


def _advice(checkpoint: Path) -> str:
    before = [found.name for found in checkpoint.parent.glob("epoch-*") if found.name < checkpoint.name]
    if before:
        return f"remove the folder {checkpoint.name} to go on from {max(before)}"
    return "there is no checkpoint before it: start a new run"
