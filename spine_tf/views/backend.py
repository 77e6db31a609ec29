"""Runs volume inference on NumPy, and says what any other backend must offer.

`inference/volume.py`, `tiles.py` and `components.py` are written once. They ask a backend for an array namespace `xp`
and for the few things that NumPy and a TensorFlow graph do differently: loops, branches, writing into a part of an
array, counting time. `export/graph_backend.py` is the other backend.
"""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
from scipy import ndimage

from spine_tf.support.progress import progress_bar


class NumpyBackend:
    """Run everything on NumPy, and add up the seconds of each phase and the triplets that the network took.

    Args:
        progress: show a bar while a network runs.
        at_once: batches at work at the same time.

    Example:
        >>> backend = NumpyBackend()
        >>> backend.chunks(lambda start, stop: np.arange(start, stop), 5, size=2).tolist()
        [0, 1, 2, 3, 4]
    """

    xp = np

    def __init__(self, progress: bool = False, at_once: int = 1):
        self.progress, self.at_once = progress, at_once
        self.seconds: dict[str, float] = {}
        self.positions = 0

    @contextmanager
    def phase(self, name: str):
        """Time what is done inside."""
        start = time.monotonic()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - start

    def count_triplets(self, positions: int) -> None:
        """Count triplets."""
        self.positions += int(positions)

    def chunks(self, function: Callable, n: int, size: int) -> np.ndarray:
        """Join `function(start, stop)` of consecutive ranges of at most `size` up to n, along the first axis."""
        return _joined((function(start, min(start + size, n)) for start in range(0, n, size)), n)

    def batches(self, function: Callable, n: int, size: int) -> np.ndarray:
        """Do as `chunks` for a network, `at_once` of them at the same time, with a bar if there is progress to show."""
        starts = range(0, n, size)
        with ThreadPoolExecutor(self.at_once) as pool:
            parts = pool.map(lambda start: function(start, min(start + size, n)), starts)
            bar = progress_bar(parts, "segmenting", len(starts), disable=not self.progress, leave=False)
            return _joined(bar, n)

    def loop(self, body: Callable, count: int, state: tuple) -> tuple:
        """Run `state = body(number, state)` for every number below count."""
        for number in range(count):
            state = body(number, state)
        return state

    def cond(self, test, then: Callable, otherwise: Callable):
        """Give what `then()` gives where the test holds, else what `otherwise()` gives."""
        return then() if test else otherwise()

    def place(self, values, box, shape):
        """Make an array of `shape` with `values` in the box, and 0 (or False) outside."""
        out = np.zeros(shape, values.dtype)
        out[box] = values
        return out

    def add(self, total, box, values):
        """Add `values` to `total` in the box, and give it back."""
        total[box] += values
        return total

    def contiguous(self, array):
        """Give the same array in the order of its axes in memory: slices are cut faster from it."""
        return np.ascontiguousarray(array)

    def components(self, blocks):
        """Label connected components (26 neighbours) of a bool array: a positive integer each, 0 outside."""
        return ndimage.label(blocks, structure=np.ones((3, 3, 3)))[0]


def _joined(parts: Iterable[np.ndarray], n: int) -> np.ndarray:
    """Join arrays along the first axis, n long altogether."""
    out, start = None, 0
    for part in parts:
        if out is None:
            out = np.empty((n, *part.shape[1:]), part.dtype)
        out[start : start + len(part)] = part
        start += len(part)
    return out


NUMPY = NumpyBackend()
"""For functions that take a backend but need neither clock nor bar."""
