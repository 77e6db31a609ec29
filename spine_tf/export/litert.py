"""Writes a network as LiteRT (TFLite) files: float32, float16, and two kinds of int8.

The converter makes float32 and float16; ai-edge-quantizer makes int8 of the float32 file. On the shipped model (64
triplets of a real CT, Dice with Keras' own masks) its static int8 has 0.989 where the converter's has 0.918, in the
same time; and it can leave layers in float: with `FLOAT_LAYERS` 0.995.
"""

import tempfile
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from spine_tf.config import VIEWS
from spine_tf.models.layers import only_served
from spine_tf.models.precision import in_float32
from spine_tf.support.device import without_infos
from spine_tf.support.files import write_bytes

SCHEMES = ("float32", "float16", "dynamic_int8", "static_int8")
"""float16 halves the file and computes in float32. dynamic_int8 has int8 weights, and activations quantised as they
come. static_int8 has activations of ranges found beforehand on real triplets: the fastest and the least exact."""

BATCH = 4
"""Triplets that a file takes at once. Measured with XNNPACK on two cores, preset `small`: 1 takes 13 % longer for each
triplet, 8 as long. With an open batch float32 takes 5 % longer, dynamic int8 three times as long."""

FLOAT_PIXELS = BATCH * 128**2
"""Of a view's slices that a file in floating point takes at once at most: of the paper's 256 px one triplet takes 0.71
to 0.76 of Keras' time, where each of four took 0.84; in dynamic int8 it looks the other way round, 0.26, and 0.16 and
0.23 (benchmarks/litert.py; one and four were timed in different runs)."""

SIGNATURE = "serving_default"

FLOAT_LAYERS = "scaling|stem|block[123]"
"""Layers that int8 leaves in float, a regular expression: the first ones of a branch. Of the shipped model they hold
less than 1 % of the weights, and half of what static int8 loses."""

FLOAT_LAYERS_DYNAMIC = f"{FLOAT_LAYERS}|_attention|projection|head_"
"""The same for dynamic int8, and all depthwise convolutions, which it would slow down."""


def write_litert(
    model: keras.Model,
    path: Path,
    scheme: str,
    calibration: Sequence[tuple[np.ndarray, ...]] = (),
    batch: int | None = None,
) -> None:
    """Convert a network and write the file, whole or not at all.

    Args:
        model: inputs `axial`, `coronal`, `sagittal`, each (batch, H, W, 3) float32; one output.
        path: the .tflite file; its signature `serving_default` has those inputs and the output `mask`, all float32.
        scheme: one of SCHEMES.
        calibration: batches of any size of real triplets (axial, coronal, sagittal), for static_int8.
        batch: triplets that the file takes at once; None: `triplets_at_once`.

    Raises:
        ValueError: an unknown scheme, static_int8 without calibration, or a batch below 1.

    Example:
        >>> views = {view: keras.Input((32, 32, 3), name=view) for view in VIEWS}
        >>> model = keras.Model(views, keras.layers.Average()(list(views.values())))
        >>> write_litert(model, Path("mean.tflite"), "float32")
        >>> Path("mean.tflite").read_bytes()[4:8]
        b'TFL3'
    """
    if scheme not in SCHEMES:
        raise ValueError(f"scheme must be one of {SCHEMES}. Received: scheme={scheme!r}")
    if scheme == "static_int8" and not calibration:
        raise ValueError("calibration must hold triplets for static_int8. Received: none")
    batch = triplets_at_once(scheme, model.inputs[0].shape[1]) if batch is None else batch
    if batch < 1:
        raise ValueError(f"batch must be at least 1. Received: batch={batch}")
    content = _converted(in_float32(model), batch, half=scheme == "float16")
    if scheme in ("dynamic_int8", "static_int8"):
        content = _quantised(content, scheme, list(_batches(calibration, batch)))
    write_bytes(Path(path), content)


def triplets_at_once(scheme: str, image_size: int) -> int:
    """Choose how many triplets of slices (image_size, image_size) a file of a scheme takes at once.

    Returns:
        1 to `BATCH`.

    Example:
        >>> triplets_at_once("float32", 128), triplets_at_once("float32", 256)
        (4, 1)
    """
    if scheme in ("float32", "float16"):
        return max(1, min(BATCH, FLOAT_PIXELS // image_size**2))
    return BATCH


def _converted(model: keras.Model, batch: int, half: bool) -> bytes:
    shapes = {tensor.name: tuple(tensor.shape[1:]) for tensor in model.inputs}
    inputs = [tf.TensorSpec((batch, *shapes[view]), tf.float32, view) for view in VIEWS]

    def serving_default(axial, coronal, sagittal):
        with only_served():
            return {"mask": model({"axial": axial, "coronal": coronal, "sagittal": sagittal}, training=False)}

    # Tracked by what the function uses, for the reason given in export/saved_model.py.
    archive = keras.export.ExportArchive()
    archive.add_endpoint(SIGNATURE, serving_default, inputs)
    with tempfile.TemporaryDirectory() as folder:
        with without_infos():
            archive.write_out(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[SIGNATURE])
        if half:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [tf.float16]
        return converter.convert()


def _quantised(float32: bytes, scheme: str, calibration: list[dict[str, np.ndarray]]) -> bytes:
    from ai_edge_quantizer import algorithm_manager, qtyping, quantizer

    names, never = qtyping.TFLOperationName, algorithm_manager.AlgorithmName.NO_QUANTIZE
    maker = quantizer.Quantizer(bytearray(float32))
    if scheme == "dynamic_int8":
        maker.add_dynamic_config(".*", names.ALL_SUPPORTED, num_bits=8)
        in_float = [(FLOAT_LAYERS_DYNAMIC, names.ALL_SUPPORTED), (".*", names.DEPTHWISE_CONV_2D)]
    else:
        maker.add_static_config(".*", names.ALL_SUPPORTED, activation_num_bits=8, weight_num_bits=8)
        in_float = [(FLOAT_LAYERS, names.ALL_SUPPORTED), (".*", names.INPUT), (".*", names.OUTPUT)]
    # The latest rule that fits a layer holds.
    for layers, operation in in_float:
        maker.update_quantization_recipe(layers, operation, algorithm_key=never)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the memory that calibrating takes, and of NaN in ranges of empty constants
        ranges = maker.calibrate({SIGNATURE: calibration}, num_threads=1) if maker.need_calibration else None
        made = maker.quantize(ranges, enable_progress_bar=False, enable_progress_report=False)
    return bytes(made.quantized_model)


def _batches(triplets: Iterable[tuple[np.ndarray, ...]], batch: int) -> Iterator[dict[str, np.ndarray]]:
    """Cut triplets into batches of one size, the last one filled up with its last triplet."""
    for views in triplets:
        for start in range(0, len(views[0]), batch):
            parts = [np.float32(view[start : start + batch]) for view in views]
            missing = ((0, batch - len(parts[0])), *((0, 0),) * 3)
            yield dict(zip(VIEWS, (np.pad(part, missing, mode="edge") for part in parts), strict=True))
