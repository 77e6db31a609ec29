"""A `.keras` file as an engine."""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from spine_tf.config import VIEWS


def keras_predictor(path: Path, image_size: int, batch_size: int):
    """Load a model in safe mode and return its `predict` (see `Engine`).

    Raises:
        ValueError: the file cannot be loaded safely, or the network's inputs are not triplets of image_size.
    """
    import spine_tf.models  # noqa: F401  registers our layers, so that they load without custom code

    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises nearly every type here; the user needs the file's name with it
        raise ValueError(f"model must be a .keras file made by this project. Received: {path}: {error}") from error
    expected = (image_size, image_size, 3)
    shapes = {tensor.name: tuple(tensor.shape[1:]) for tensor in model.inputs}
    if shapes != dict.fromkeys(VIEWS, expected):
        raise ValueError(f"model must take {VIEWS}, each {expected}, as its metadata says. Received: {shapes}")
    run = tf.function(lambda *views: model(dict(zip(VIEWS, views, strict=True)), training=False), jit_compile=False)

    def predict(*views: np.ndarray) -> np.ndarray:
        n = len(views[0])
        # Always the same batch size: another one would be traced anew.
        full = [np.concatenate([v, np.repeat(v[-1:], batch_size - n, axis=0)]) if n < batch_size else v for v in views]
        return run(*(tf.constant(v, tf.float32) for v in full)).numpy()[:n]

    return predict
