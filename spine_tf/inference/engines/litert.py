"""Runs a .tflite file with LiteRT, without TensorFlow and Keras."""

from pathlib import Path

import numpy as np

from spine_tf.config import VIEWS
from spine_tf.support.device import cores
from spine_tf.support.errors import ModelError

SIGNATURE = "serving_default"


def litert_predictor(path: Path, image_size: int, batch_size: int, threads: int | None = None):
    """Load a .tflite file and return its `predict` (see `Engine`).

    Args:
        path: a file made by `export.litert`.
        image_size: side of the slices, as its metadata says.
        batch_size: triplets at once, where the file leaves it open; else its own batch holds.
        threads: None: all cores.

    Returns:
        `predict`, which one thread at a time may call.

    Raises:
        ModelError: the file is no LiteRT model, or takes or gives something other than triplets of image_size.
    """
    from ai_edge_litert.interpreter import Interpreter

    try:
        interpreter = Interpreter(model_path=str(path), num_threads=threads or cores())
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"model must be a LiteRT file made by this project. Received: {path}: {error}") from error
    signature = interpreter.get_signature_list().get(SIGNATURE, {"inputs": [], "outputs": []})
    if set(signature["inputs"]) != set(VIEWS) or list(signature["outputs"]) != ["mask"]:
        raise ModelError(f"model must have the signature {SIGNATURE} of {VIEWS} to mask. Received: {path}: {signature}")
    runner = interpreter.get_signature_runner(SIGNATURE)
    tensors = runner.get_input_details() | runner.get_output_details()
    sizes = {name: tensor["shape_signature"].tolist() for name, tensor in tensors.items()}
    kinds = {np.dtype(tensor["dtype"]).name for tensor in tensors.values()}
    batch = sizes["axial"][0]
    expected = [batch, image_size, image_size, 3]
    if sizes != dict.fromkeys((*VIEWS, "mask"), expected) or kinds != {"float32"}:
        wanted = f"slices and masks (batch, {image_size}, {image_size}, 3) float32"
        received = f"{path}: {sizes}, {sorted(kinds)}"
        raise ModelError(f"model must have {wanted}, as its metadata says. Received: {received}")
    at_once = batch if batch > 0 else batch_size

    def predict(*views: np.ndarray) -> np.ndarray:
        n, masks = len(views[0]), []
        for start in range(0, n, at_once):
            parts = [np.float32(view[start : start + at_once]) for view in views]
            # Always the same batch: another one would be planned anew.
            filled = [np.pad(part, ((0, at_once - len(part)), *((0, 0),) * 3), mode="edge") for part in parts]
            masks.append(runner(**dict(zip(VIEWS, filled, strict=True)))["mask"][: len(parts[0])])
        return np.concatenate(masks)

    return predict
