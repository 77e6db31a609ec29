"""Triplets in, masks out: one signature, whatever runs the network."""

from spine_tf.engines.engine import SHIPPED, Engine, load_engine

__all__ = ["SHIPPED", "Engine", "load_engine"]
