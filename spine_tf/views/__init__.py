"""Cuts volumes into slices of three views, and puts predictions back on the volume's grid."""

from spine_tf.views.backend import NumpyBackend
from spine_tf.views.components import drop_small_components
from spine_tf.views.preprocess import body_box, clamp_window, normalise, resize_matrix
from spine_tf.views.slices import VIEW_AXIS, cut_slices, fuse_views, n_positions, position_slices, with_neighbours

__all__ = [
    "VIEW_AXIS",
    "NumpyBackend",
    "body_box",
    "clamp_window",
    "cut_slices",
    "drop_small_components",
    "fuse_views",
    "n_positions",
    "normalise",
    "position_slices",
    "resize_matrix",
    "with_neighbours",
]
