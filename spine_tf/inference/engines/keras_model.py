"""Loads the network of a `.keras` file, of which nothing but our own and Keras' own layers is run."""

import io
import re
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import tensorflow as tf

from spine_tf.config import VIEWS
from spine_tf.inference.engines.lanes import in_lanes
from spine_tf.inference.engines.merging import merge_normalization
from spine_tf.inference.engines.model_files import find_network
from spine_tf.inference.engines.shipped import SHIPPED
from spine_tf.support.errors import ModelError

MUST = "model must be a .keras file made by this project, of its own layers and Keras' own"

MOST_TEXT_BYTES = 64 * 2**20
"""Of a JSON member: the config of the paper's network has under 2 MB."""

MOST_EXPANSION = 8
"""Times that a member of the archive, or an array of weights, may be larger than what is stored of it; and 64 MiB."""

LONGEST = 300
"""Characters of Keras' own words that are passed on."""

ADVICE = re.compile(r" (This carries a potential risk|If you trust the source|Make sure custom classes).*")
"""What Keras goes on to say: how to switch its safety off, or to register the code."""


def load_model(model: str | Path | None = None) -> keras.Model:
    """Load a network as a Keras model, uncompiled: for pruning, fine-tuning and drawing.

    The project's layers are registered, Keras' safe mode is on, and no code that the file brings along is run.

    Args:
        model: a `.keras` file, or the folder of a run or a published model; None: the model that comes with spine_tf.

    Returns:
        the model: {"axial", "coronal", "sagittal"}, each (batch, H, W, 3) float32 in [0, 1] -> (batch, H, W, 3)
        probabilities.

    Raises:
        ModelError: in one line, with the file's name: no .keras archive, one that grows beyond its size, weights that
            are not finite, or anything that Keras' safe mode refuses (Lambda layers, layers that load code, custom
            classes).

    Example:
        >>> network = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(1, 1)])
        >>> network.save("best.keras")
        >>> load_model("best.keras").count_params()
        4
    """
    import spine_tf.models  # noqa: F401  registers our layers, so that they load without custom code

    path = Path(SHIPPED if model is None else model)
    path = (find_network(path) or path) if path.is_dir() else path
    # Keras says of such a file that it is not there.
    if not path.is_file() or not zipfile.is_zipfile(path):
        raise ModelError(f"{MUST}. Received: {path}: {'no archive' if path.is_file() else 'no file'}")
    try:
        _check_sizes(path)
        network = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises nearly every type here; the user needs the file's name with it
        raise ModelError(f"{MUST}. Received: {path}: {_reason(error)}") from error
    for weight in network.weights:
        values = keras.ops.convert_to_numpy(weight)
        if np.issubdtype(values.dtype, np.number) and not np.isfinite(values).all():
            raise ModelError(f"model must be one of finite weights. Received: {path}: NaN or infinity in {weight.path}")
    return network


def keras_predictor(path: Path, image_size: int, batch_size: int, lanes: int = 1):
    """Load a `.keras` file and return its `predict` (see `Engine`).

    Args:
        path: the file.
        image_size: side of the slices, as its metadata says.
        batch_size: triplets that the network gets at once; fewer are padded.
        lanes: as `in_lanes` takes them.

    Raises:
        ModelError: as `load_model`, or the network's inputs are not triplets of image_size.
    """
    model = load_model(path)
    expected = (image_size, image_size, 3)
    shapes = {tensor.name: tuple(tensor.shape[1:]) for tensor in model.inputs}
    if shapes != dict.fromkeys(VIEWS, expected):
        raise ModelError(f"model must take {VIEWS}, each {expected}, as its metadata says. Received: {shapes}")
    merge_normalization(model)

    def traced():
        return tf.function(
            lambda *views: model(dict(zip(VIEWS, views, strict=True)), training=False), jit_compile=False
        )

    run = in_lanes(traced, lanes)

    def predict(*views: np.ndarray) -> np.ndarray:
        n = len(views[0])
        # Always the same batch size: another one would be traced anew.
        full = [np.concatenate([v, np.repeat(v[-1:], batch_size - n, axis=0)]) if n < batch_size else v for v in views]
        return run(*(tf.constant(v, tf.float32) for v in full)).numpy()[:n]

    return predict


def _check_sizes(path: Path) -> None:
    """Refuse an archive whose members, or whose arrays of weights, need far more memory than the file has bytes."""
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            text = member.filename.endswith(".json")
            limit = MOST_TEXT_BYTES if text else MOST_TEXT_BYTES + MOST_EXPANSION * member.compress_size
            # zipfile itself reads no more than is declared; LZMA's memory is not bounded by either.
            if member.file_size > limit or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ValueError(f"{member.filename} of {member.file_size / 2**20:.0f} MiB, packed too tightly")
        for member in archive.infolist():
            if member.filename.endswith(".h5"):
                _check_arrays(archive.read(member))


def _check_arrays(content: bytes) -> None:
    sizes = []
    with h5py.File(io.BytesIO(content), "r") as file:
        file.visititems(lambda name, one: sizes.append(one.nbytes) if isinstance(one, h5py.Dataset) else None)
    if sum(sizes) > MOST_TEXT_BYTES + MOST_EXPANSION * len(content):
        raise ValueError(f"arrays of {sum(sizes) / 2**20:.0f} MiB in a file of {len(content) / 2**20:.0f} MiB")


def _reason(error: Exception) -> str:
    """Find the innermost of Keras' nested reasons, on one line; around it lies the model's whole config."""
    words = ADVICE.sub("", " ".join(str(error).rsplit("Exception encountered: ", 1)[-1].split()))
    return words if len(words) <= LONGEST else f"{words[:LONGEST]}..."
