"""Says what an engine is: a network ready to run, whatever runs it, and checks what it answers."""

import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from spine_tf.config import PreprocessSpec
from spine_tf.support.errors import ModelError


@dataclass(frozen=True)
class Engine:
    """A network ready to run.

    `predict` and `volume` refuse to run in a forked child of the process that made the engine, where TensorFlow would
    wait for ever, and answers that are no probabilities, each with a `ModelError`.

    Example:
        >>> def bright(axial, coronal, sagittal):
        ...     return np.stack([view[..., 1] for view in (axial, coronal, sagittal)], axis=-1)
        >>> engine = Engine(bright, PreprocessSpec(image_size=32), {}, "bright")
        >>> engine.predict(*np.full((3, 2, 32, 32, 3), 0.5, np.float32)).shape
        (2, 32, 32, 3)
    """

    predict: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
    """(axial, coronal, sagittal), each (batch, H, W, 3) float32 in [0, 1] -> (batch, H, W, 3) float32 in [0, 1], a
    channel per view. Any number of threads may call it (`lanes.py`; of a server as many as it bears)."""
    spec: PreprocessSpec
    """The pre-processing that the network was trained with."""
    metadata: dict
    """All of `metadata.json`."""
    name: str
    """Of the network's file or folder, or the address of a server; errors name it."""
    volume: Callable[[np.ndarray, tuple[float, ...]], tuple[np.ndarray, np.ndarray]] | None = None
    """A whole scan at once, where the engine does more than triplets (a server): HU (x, y, z) canonical and spacing_mm
    -> (probability (x, y, z) float32 in [0, 1], mask (x, y, z) bool before clean-up)."""
    at_once: int = 1
    """How many threads that call `predict` gain by it."""
    sha256: str = ""
    """Of the files that it was loaded from, in hexadecimal digits; "" where there are none."""

    def __post_init__(self):
        predict, volume = self.predict, self.volume
        own = self._checked(lambda *views: _probabilities(predict(*views), np.shape(views[0]), self.name))
        object.__setattr__(self, "predict", own)
        if volume is not None:

            def whole(hu, spacing_mm):
                probability, mask = volume(hu, spacing_mm)
                return _probabilities(probability, np.shape(hu), self.name), mask

            object.__setattr__(self, "volume", self._checked(whole))

    def _checked(self, function: Callable) -> Callable:
        """Refuse to call a function in another process than this one."""
        owner = os.getpid()

        def call(*args):
            if os.getpid() != owner:
                expected = "an engine must be used in the process that loaded it; start processes with 'spawn'"
                raise ModelError(f"{expected}, not 'fork', and load one in each. Received: {self.name} in another")
            return function(*args)

        return call


def _probabilities(values: np.ndarray, shape: tuple[int, ...], name: str) -> np.ndarray:
    """Give the values back where they are probabilities of a shape."""
    if np.shape(values) != shape:
        raise ModelError(f"{name} must answer {shape}. Received: {np.shape(values)}")
    low, high = float(np.min(values)), float(np.max(values))
    # So that NaN, for which no comparison holds, is refused too.
    if not (low >= 0 and high <= 1):
        raise ModelError(f"{name} must answer probabilities in [0, 1]. Received: {low:g} to {high:g}")
    return values
