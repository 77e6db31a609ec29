"""Trains networks, prunes trained ones, and scores both.

Importing it registers the losses, metrics and optimizers that a stored `.keras` file may name.
"""

from spine_tf.training import losses, metrics, optimizers

__all__ = ["losses", "metrics", "optimizers"]
