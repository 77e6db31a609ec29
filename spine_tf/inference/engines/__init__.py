"""Triplets in, masks out: one signature, whatever runs the network."""

from spine_tf.inference.engines.engine import Engine
from spine_tf.inference.engines.load import load_engine, runs_here_on_tensorflow
from spine_tf.inference.engines.shipped import SHIPPED

__all__ = ["SHIPPED", "Engine", "load_engine", "runs_here_on_tensorflow"]
