"""Makes the paper's tables and figures from runs on disk: `cells` says what is run, `reproduce` does it."""

from spine_tf.support.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "Request": "request",
        "base_config": "settings",
        "cell_config": "cells",
        "draw_figure": "pictures",
        "grid_table": "tables",
        "reproduce_results": "reproduce",
    },
)
