"""Triplets in, masks out: one signature, whatever runs the network."""

from spine_tf.engines.engine import Engine, load_engine

__all__ = ["Engine", "load_engine"]
