"""Draws networks as block diagrams; what stands in a box is read from the built layers."""

from spine_tf.support.lazy_imports import lazy_names

_MODULES = {"Page": "page", "architecture_figure": "architecture"}

__all__ = list(_MODULES)
__getattr__ = lazy_names(__name__, _MODULES)
