"""Draws networks as block diagrams; what stands in a box is read from the built layers."""

from spine_tf.support.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__, {"Page": "page", "architecture_figure": "architecture"})
