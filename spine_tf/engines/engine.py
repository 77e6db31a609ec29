"""The one signature of all engines, and the choice of the engine by what the model's path is."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spine_tf.config import PreprocessSpec, spec_from_dict

SHIPPED = Path(__file__).resolve().parents[2] / "saved_models" / "spine-small"
"""The model that comes with a checkout."""

NAMES = ("best.keras", "model.keras")
"""The network's file in a run's folder and in a published one."""


@dataclass(frozen=True)
class Engine:
    """A network ready to run.

    predict: (axial, coronal, sagittal), each (batch, H, W, 3) float32 in [0, 1] -> (batch, H, W, 3) float32 in [0, 1],
    one channel per view. spec: the pre-processing it was trained with. metadata: all of `metadata.json`.
    """

    predict: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
    spec: PreprocessSpec
    metadata: dict
    name: str


def load_engine(model: str | Path, batch_size: int = 8) -> Engine:
    """Load a `.keras` file, or a folder with one (`NAMES`), and the `metadata.json` beside it.

    Args:
        model: file or run folder.
        batch_size: triplets the network gets at once; fewer are padded.

    Raises:
        ValueError: no such model, no metadata beside it, metadata that does not fit, or a file that is not a safe
            `.keras` archive (an `.h5` file, a Lambda layer, unknown custom code).
    """
    path = Path(model)
    if path.is_dir():
        path = next((path / name for name in NAMES if (path / name).is_file()), path / NAMES[0])
    if path.suffix != ".keras" or not path.is_file():
        expected = f"a .keras file, or a folder that holds {' or '.join(NAMES)}"
        raise ValueError(f"model must be {expected}. Received: model={str(model)!r}")
    metadata = read_metadata(path.parent / "metadata.json")
    # TensorFlow is imported here, not above: --help and a refused model answer at once.
    from spine_tf.engines.keras_model import keras_predictor

    spec = spec_from_dict(PreprocessSpec, metadata["preprocess"])
    return Engine(keras_predictor(path, spec.image_size, batch_size), spec, metadata, path.name)


def read_metadata(path: Path) -> dict:
    """What travels with a model: `preprocess` (a PreprocessSpec's fields) and facts of its training."""
    if not path.is_file():
        raise ValueError(
            f"metadata.json must lie beside the model: without its pre-processing a network gives wrong masks. "
            f"Received: no file {str(path)!r}"
        )
    try:
        metadata = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f"metadata.json must be JSON. Received: {str(path)!r}, {error}") from None
    if "preprocess" not in metadata:
        raise ValueError(f"metadata.json must have the key 'preprocess'. Received: {str(path)!r}")
    return metadata
