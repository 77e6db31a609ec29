"""Draws masks on their scan."""

from spine_tf.viewer.overlay import compare, save_errors, save_overlay

__all__ = ["compare", "save_errors", "save_overlay"]
