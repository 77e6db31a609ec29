"""Attention LinkNet-152 for spine segmentation in CT (Sci Rep 15:13102, 2025), in Keras 3 on TensorFlow.

Everything a user needs is here, and is imported when it is first used:

    import spine_tf as st

    result = st.segment("scan.nii.gz")
    result.save("out")
"""

import os

from spine_tf._version import __version__
from spine_tf.support.lazy import lazy_names

# TensorFlow reads both when it is first imported, so they are set here, and only where the user has not set them.
# oneDNN is off by default on CPUs without AVX-512; with it a training step of preset `small` takes 0.85 of the time on
# AVX2, a forward pass of batch 8 0.82 (but one of batch 1 several times as long: keep batches full).
# With it, never call one tf.function from two threads at once: see `inference/engines/lanes.py`.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

__getattr__, __dir__, _names = lazy_names(
    __name__,
    {
        "Config": "config",
        "GradientSensitivityPruning": "pruning",
        "PRESETS": "config",
        "build_model": "models",
        "dice": "scoring",
        "load_engine": "inference.engines",
        "load_model": "inference.engines.keras_model",
        "read_scan": "scans",
        "remove_filters": "pruning",
        "segment": "inference.one_scan",
        "train": "training.run:train_run",
        "write_mask": "scans",
    },
)
__all__ = ["__version__", *_names]
