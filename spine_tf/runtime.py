"""What has to be settled once in a process before TensorFlow and segmentation-models are imported."""

import contextlib
import io
import os
from types import ModuleType

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def load_segmentation_models() -> ModuleType:
    """Import segmentation-models on Keras 3; the only place that does.

    Without SM_FRAMEWORK it looks for `keras.utils.generic_utils`, which Keras 3 no longer has.

    Raises:
        ImportError: `tf.keras` is Keras 2 in this process, so that its layers would not connect to ours.
    """
    os.environ["SM_FRAMEWORK"] = "tf.keras"
    import keras
    import tensorflow as tf

    if tf.keras.Model is not keras.Model:
        raise ImportError(
            "tf.keras must be Keras 3: unset TF_USE_LEGACY_KERAS before TensorFlow's Keras is first used. "
            f"Received: tf.keras.Model={tf.keras.Model!r}"
        )
    with contextlib.redirect_stdout(io.StringIO()):  # it greets on import
        import segmentation_models
    return segmentation_models
