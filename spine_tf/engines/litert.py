"""A .tflite file as an engine, run by LiteRT: no TensorFlow and no Keras is needed."""

import os
from pathlib import Path

import numpy as np

from spine_tf.config import VIEWS

SIGNATURE = "serving_default"


def litert_predictor(path: Path, image_size: int, batch_size: int, threads: int | None = None):
    """Load a .tflite file and return its `predict` (see `Engine`).

    Args:
        path: a file made by `export.litert`.
        image_size: side of the slices, as its metadata says.
        batch_size: triplets at once; fewer are padded, because another size would be planned anew.
        threads: None: all cores.

    Raises:
        ValueError: the file is no LiteRT model, or takes something other than triplets of image_size.
    """
    from ai_edge_litert.interpreter import Interpreter

    try:
        interpreter = Interpreter(model_path=str(path), num_threads=threads or os.cpu_count())
    except (ValueError, RuntimeError) as error:
        raise ValueError(f"model must be a LiteRT file made by this project. Received: {path}: {error}") from error
    signature = interpreter.get_signature_list().get(SIGNATURE, {"inputs": [], "outputs": []})
    if set(signature["inputs"]) != set(VIEWS) or list(signature["outputs"]) != ["mask"]:
        raise ValueError(f"model must have the signature {SIGNATURE} of {VIEWS} to mask. Received: {path}: {signature}")
    runner = interpreter.get_signature_runner(SIGNATURE)
    shapes = {view: details["shape"][1:].tolist() for view, details in runner.get_input_details().items()}
    expected = [image_size, image_size, 3]
    if any(shape != expected for shape in shapes.values()):
        raise ValueError(f"model must take slices of {expected}, as its metadata says. Received: {path}: {shapes}")

    def predict(*views: np.ndarray) -> np.ndarray:
        n = len(views[0])
        full = [np.concatenate([v, np.repeat(v[-1:], batch_size - n, axis=0)]) if n < batch_size else v for v in views]
        return runner(**dict(zip(VIEWS, np.float32(full), strict=True)))["mask"][:n]

    return predict
