"""Loads networks and runs them: triplets in, masks out, one signature whatever runs the network."""

from spine_tf.inference.engines.engine import Engine
from spine_tf.inference.engines.load import load_engine, runs_here_on_tensorflow
from spine_tf.inference.engines.shipped import SHIPPED

__all__ = ["SHIPPED", "Engine", "load_engine", "load_model", "runs_here_on_tensorflow"]


def __getattr__(name: str):
    # Not above: it needs Keras, which a .tflite file and a server do without.
    if name == "load_model":
        from spine_tf.inference.engines.keras_model import load_model

        return load_model
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
