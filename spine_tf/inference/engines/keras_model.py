"""A `.keras` file as an engine."""

import re
import zipfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from spine_tf.config import VIEWS
from spine_tf.inference.engines.lanes import in_lanes
from spine_tf.inference.engines.merging import merge_normalization
from spine_tf.support.errors import ModelError

LONGEST = 300
"""Characters of Keras' own words that are passed on."""

ADVICE = re.compile(r" (This carries a potential risk|If you trust the source|Make sure custom classes).*")
"""What Keras goes on to say: how to switch its safety off, or to register the code."""


def keras_predictor(path: Path, image_size: int, batch_size: int, lanes: int = 1):
    """Load a model in safe mode and return its `predict` (see `Engine`), with so many `lanes`.

    Raises:
        ModelError: the file is no .keras archive, or cannot be loaded safely (Lambda layers, layers that load code,
            custom classes), or the network's inputs are not triplets of image_size.
    """
    model = load_safely(path)
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


def load_safely(path: Path) -> keras.Model:
    """The network of a `.keras` file, uncompiled; no code that the file brings along is run.

    Raises:
        ModelError: in one line, with the file's name: no .keras archive, or anything that Keras' safe mode refuses.
    """
    import spine_tf.models  # noqa: F401  registers our layers, so that they load without custom code

    must = "model must be a .keras file made by this project, of its own layers and Keras' own"
    # Keras says of such a file that it is not there.
    if not zipfile.is_zipfile(path):
        raise ModelError(f"{must}. Received: {path}: {'no archive' if Path(path).is_file() else 'no file'}")
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises nearly every type here; the user needs the file's name with it
        raise ModelError(f"{must}. Received: {path}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """The innermost of Keras' nested reasons, on one line; around it lies the model's whole config."""
    words = ADVICE.sub("", " ".join(str(error).rsplit("Exception encountered: ", 1)[-1].split()))
    return words if len(words) <= LONGEST else f"{words[:LONGEST]}..."
