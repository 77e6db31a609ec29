"""Says what an engine is: a network ready to run, whatever runs it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from spine_tf.config import PreprocessSpec


@dataclass(frozen=True)
class Engine:
    """A network ready to run.

    predict: (axial, coronal, sagittal), each (batch, H, W, 3) float32 in [0, 1] -> (batch, H, W, 3) float32 in [0, 1],
    one channel per view. Any number of threads may call it (`lanes.py`; of a server as many as it bears). spec: the
    pre-processing it was trained with. metadata: all of `metadata.json`.
    volume: a whole scan at once, where the engine does more than triplets (a server): HU (x, y, z) canonical and
    spacing_mm -> (probability (x, y, z) float32 in [0, 1], mask (x, y, z) bool before clean-up).
    at_once: how many threads that call predict gain by it.
    """

    predict: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
    spec: PreprocessSpec
    metadata: dict
    name: str
    volume: Callable[[np.ndarray, tuple[float, ...]], tuple[np.ndarray, np.ndarray]] | None = None
    at_once: int = 1
