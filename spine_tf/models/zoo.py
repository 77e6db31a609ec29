"""segmentation-models on Keras 3: the one place that imports it."""

import contextlib
import io
import os
from types import ModuleType

import keras
import tensorflow as tf


def load_segmentation_models() -> ModuleType:
    """Import segmentation-models so that it builds Keras 3 layers.

    Without SM_FRAMEWORK it looks for `keras.utils.generic_utils`, which Keras 3 no longer has.

    Raises:
        ImportError: `tf.keras` is Keras 2 in this process, so that its layers would not connect to ours.
    """
    if tf.keras.Model is not keras.Model:
        raise ImportError(
            "tf.keras must be Keras 3: clear TF_USE_LEGACY_KERAS before TensorFlow's Keras is first used. "
            f"Received: tf.keras.Model={tf.keras.Model!r}"
        )
    os.environ["SM_FRAMEWORK"] = "tf.keras"
    with contextlib.redirect_stdout(io.StringIO()):  # it greets on import
        import segmentation_models
    return segmentation_models
