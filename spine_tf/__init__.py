"""Attention LinkNet-152 for spine segmentation in CT (Sci Rep 15:13102, 2025), in Keras 3 on TensorFlow.

Everything a user needs is here, and is imported when it is first used:

    import spine_tf as st

    result = st.segment("scan.nii.gz")
    result.save("out")
"""

import importlib
import os

from spine_tf._version import __version__

# TensorFlow reads both when it is first imported, so they are set here, and only where the user has not set them.
# oneDNN is off by default on CPUs without AVX-512; with it a training step of preset `small` takes 0.85 of the time on
# AVX2, a forward pass of batch 8 0.82 (but one of batch 1 several times as long: keep batches full).
# With it, never call one tf.function from two threads at once: see `inference/engines/lanes.py`.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

_PUBLIC = {
    "Config": ("config", "Config"),
    "GradientSensitivityPruning": ("pruning", "GradientSensitivityPruning"),
    "PRESETS": ("config", "PRESETS"),
    "build_model": ("models", "build_model"),
    "dice": ("scoring", "dice"),
    "load_engine": ("inference.engines", "load_engine"),
    "load_model": ("inference.engines.keras_model", "load_model"),
    "read_scan": ("scans", "read_scan"),
    "remove_filters": ("pruning", "remove_filters"),
    "segment": ("inference.one_scan", "segment"),
    "train": ("training.run", "train_run"),
    "write_mask": ("scans", "write_mask"),
}
"""Public name -> the module below spine_tf that defines it, and its name there."""

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str):
    if name not in _PUBLIC:
        raise AttributeError(f"module 'spine_tf' has no attribute {name!r}")
    from spine_tf.support.device import quiet_loading

    module, attribute = _PUBLIC[name]
    with quiet_loading():
        value = getattr(importlib.import_module(f"spine_tf.{module}"), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
