"""Writes a trained network as files that run without this package, and proves that they agree with it."""

from spine_tf.support.lazy_imports import lazy_names

_MODULES = {
    "export_products": "formats",
    "export_saved_model": "saved_model",
    "make_signatures": "signatures",
    "next_version": "formats",
    "write_litert": "litert",
}

__all__ = list(_MODULES)
__getattr__ = lazy_names(__name__, _MODULES)
