"""Runs a SavedModel, after comparing it with its manifest."""

from pathlib import Path

import numpy as np

from spine_tf.config import VIEWS
from spine_tf.support.errors import ModelError


def newest_version(folder: Path) -> Path | None:
    """Find the SavedModel in a folder: itself, or its highest-numbered version; None where there is none."""
    folder = Path(folder)
    if (folder / "saved_model.pb").is_file():
        return folder
    versions = [one for one in folder.glob("*") if one.name.isdigit() and (one / "saved_model.pb").is_file()]
    return max(versions, key=lambda one: int(one.name), default=None)


def saved_model_predictor(folder: Path):
    """Load a SavedModel and return its `predict` (see `Engine`).

    Raises:
        ModelError: it has not our signature.
    """
    import tensorflow as tf

    loaded = tf.saved_model.load(str(folder))
    signature = loaded.signatures.get("serving_default")
    if signature is None or "mask" not in signature.structured_outputs:
        raise ModelError(
            f"model must have the signature serving_default with the output mask. Received: {str(folder)!r} with "
            f"{sorted(loaded.signatures)}"
        )

    def predict(*views: np.ndarray) -> np.ndarray:
        # `loaded` holds the variables, which the signature alone does not keep alive.
        run = loaded.signatures["serving_default"]
        return run(**{view: tf.constant(v, tf.float32) for view, v in zip(VIEWS, views, strict=True)})["mask"].numpy()

    return predict
