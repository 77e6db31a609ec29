"""A network as LiteRT (TFLite) files: float32, float16, and two kinds of int8, with the SavedModel's names.

The batch is left open: on two cores an open batch, resized by the engine, takes no longer than a fixed one.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from spine_tf.config import VIEWS
from spine_tf.files import write_bytes

SCHEMES = ("float32", "float16", "dynamic_int8", "static_int8")
"""float16 halves the file and computes in float32. dynamic_int8 has int8 weights, and activations quantised as they come.
static_int8 has activations of ranges found beforehand on real triplets: the fastest and the least exact."""


def write_litert(
    model: keras.Model, path: Path, scheme: str, calibration: Sequence[tuple[np.ndarray, ...]] = ()
) -> None:
    """Convert a network and write the file, whole or not at all.

    Args:
        model: inputs `axial`, `coronal`, `sagittal`, each (batch, H, W, 3) float32; one output.
        path: the .tflite file; its signature `serving_default` has those inputs and the output `mask`.
        scheme: one of SCHEMES.
        calibration: batches of real triplets (axial, coronal, sagittal), for static_int8.

    Raises:
        ValueError: an unknown scheme, or static_int8 without calibration.
    """
    if scheme not in SCHEMES:
        raise ValueError(f"scheme must be one of {SCHEMES}. Received: scheme={scheme!r}")
    if scheme == "static_int8" and not calibration:
        raise ValueError("calibration must hold triplets for static_int8. Received: none")
    shapes = {tensor.name: tuple(tensor.shape[1:]) for tensor in model.inputs}
    inputs = [tf.TensorSpec((None, *shapes[view]), tf.float32, view) for view in VIEWS]

    def serving_default(axial, coronal, sagittal):
        return {"mask": model({"axial": axial, "coronal": coronal, "sagittal": sagittal}, training=False)}

    # Tracked by what the function uses, for the reason given in export/saved_model.py.
    archive = keras.export.ExportArchive()
    archive.add_endpoint("serving_default", serving_default, inputs)
    with tempfile.TemporaryDirectory() as folder:
        archive.write_out(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["serving_default"])
        if scheme != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if scheme == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if scheme == "static_int8":
            converter.representative_dataset = lambda: (
                ("serving_default", dict(zip(VIEWS, views, strict=True))) for views in calibration
            )
        write_bytes(Path(path), converter.convert())
