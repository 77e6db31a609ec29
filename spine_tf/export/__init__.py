"""Writes a trained network as files that run without this package, and proves that they agree with it."""

from spine_tf.support.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "export_products": "formats",
        "export_saved_model": "saved_model",
        "make_signatures": "signatures",
        "next_version": "formats",
        "write_litert": "litert",
    },
)
