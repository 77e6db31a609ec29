"""Makes the paper's tables and figures from runs on disk: `cells` says what is run, `reproduce` does it."""

from spine_tf.support.lazy_imports import lazy_names

_MODULES = {
    "Request": "request",
    "base_config": "settings",
    "cell_config": "cells",
    "draw_figure": "pictures",
    "grid_table": "tables",
    "reproduce_results": "reproduce",
}

__all__ = list(_MODULES)
__getattr__ = lazy_names(__name__, _MODULES)
