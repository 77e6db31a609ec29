"""Makes triplets in processes of their own, so that many cores can feed one network.

Threads of Python take turns at everything between two long calls into NumPy: a second one adds a quarter or a half, a
fourth nothing. A maker process gets the names of a case's files, not its voxels, and leaves the triplet in memory that
all processes share.
"""

import multiprocessing
import os
import queue
from concurrent.futures import CancelledError, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import lru_cache
from math import prod
from multiprocessing.shared_memory import SharedMemory
from typing import Literal, NamedTuple

import numpy as np

from spine_tf.config import AugmentConfig, DataConfig, PreprocessSpec
from spine_tf.data.cache import CachedCase
from spine_tf.data.triplets import training_triplet
from spine_tf.support.errors import MakerError
from spine_tf.support.processes import follow_parent

THREADS = 2
"""Up to so many workers are threads: they share what they have opened, and start at once."""

KEPT_MAPPED = 32
"""Arrays that a maker keeps mapped."""


class Mapped(NamedTuple):
    """An array that lies in a file."""

    path: str
    dtype: str
    shape: tuple[int, ...]
    offset: int
    """Bytes from the start of the file."""
    order: Literal["C", "F"] = "C"
    """Whether the last axis runs fastest, or the first."""


class TripletMakers:
    """Makes training triplets in `data.workers` processes; as many threads may wait for one at a time.

    A script of one's own that uses it needs `if __name__ == "__main__":` around what it runs.

    Args:
        spec: pre-processing of the network.
        data: workers and inference_like are used.
        augment: as `triplets.training_triplet` takes it.

    Example:
        >>> with contextlib.closing(TripletMakers(spec, data, augment)) as makers:  # doctest: +SKIP
        ...     axial, coronal, sagittal, mask = makers.make(case, (0, 0, 7))
    """

    def __init__(self, spec: PreprocessSpec, data: DataConfig, augment: AugmentConfig):
        shape = (data.workers, 4, spec.image_size, spec.image_size, 3)
        self._memory = _shared_memory(4 * prod(shape))
        try:
            self._places = np.ndarray(shape, np.float32, self._memory.buf)
            self._free: queue.SimpleQueue[int] = queue.SimpleQueue()
            for place in range(len(self._places)):
                self._free.put(place)
            arguments = (self._memory, shape, spec, augment, data.inference_like)
            # A forked child of a process that runs TensorFlow may hang on its locks.
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(data.workers, context, _start_maker, arguments)
        except BaseException:
            self._memory.close()
            self._memory.unlink()
            raise
        self._is_closed = False

    def make(self, case: CachedCase, seed: tuple[int, ...]) -> tuple[np.ndarray, ...]:
        """Make one triplet; any number of threads may ask at the same time.

        Args:
            case: whose arrays are sent by name where they lie in a file, else whole.
            seed: of `numpy.random.default_rng`.

        Returns:
            axial, coronal, sagittal and mask, as `triplets.training_triplet` gives them for that seed.

        Raises:
            MakerError: a maker has ended, a file of the case is gone, or the makers are closed.
        """
        place = self._free.get()
        try:
            if self._is_closed:
                raise MakerError("triplet makers must be open. Received: closed ones")
            named = replace(case, case=None, hu=name_array(case.hu), mask=name_array(case.mask))
            self._pool.submit(_make_triplet, place, named, seed).result()
            return tuple(array.copy() for array in self._places[place])
        except BrokenProcessPool as error:
            expected = (
                "triplet makers must live as long as the training; one is gone. Killed for want of memory (each needs "
                'about 0.3 GB)? A script of your own needs `if __name__ == "__main__":` around what it runs'
            )
            raise MakerError(f"{expected}. Received: a triplet of seed {seed} not made") from error
        except OSError as error:
            raise MakerError(f"files of a case must stay as long as the training. Received: {error}") from error
        except (CancelledError, RuntimeError) as error:
            if not self._is_closed:
                raise
            raise MakerError("triplet makers must be open. Received: closed ones") from error
        finally:
            self._free.put(place)

    def close(self) -> None:
        """End the processes and give their memory back, once nobody reads it any more."""
        self._is_closed = True
        self._pool.shutdown(wait=True, cancel_futures=True)
        places = [self._free.get() for _ in range(len(self._places))]
        self._places = None
        self._memory.close()
        self._memory.unlink()
        for place in places:
            self._free.put(place)  # who still waits for one is told


def _shared_memory(size: int) -> SharedMemory:
    """Make memory that processes share, all of it there.

    Raises:
        MakerError: there is no room for it.
    """
    try:
        memory = SharedMemory(create=True, size=size)
    except OSError as error:
        raise _no_room(size, error) from None
    # Without this a write into memory that the system then lacks would kill its process.
    if hasattr(os, "posix_fallocate") and hasattr(memory, "_fd"):
        try:
            os.posix_fallocate(memory._fd, 0, size)
        except OSError as error:
            memory.close()
            memory.unlink()
            raise _no_room(size, error) from None
    return memory


def _no_room(size: int, error: OSError) -> MakerError:
    expected = "shared memory must have room for a triplet of each worker; a container has what --shm-size gives it"
    return MakerError(f"{expected}. Received: {size / 1e6:.0f} MB not given, {error.strerror}")


def name_array(array: np.ndarray) -> np.ndarray | Mapped:
    """Say where an array lies that is mapped from a file; one that is not is given back.

    Example:
        >>> np.save("hu.npy", np.arange(6, dtype=np.int16).reshape(2, 3))
        >>> name_array(np.load("hu.npy", mmap_mode="r")[1:])
        Mapped(path='...hu.npy', dtype='<i2', shape=(1, 3), offset=134, order='C')
    """
    whole = array
    while not (isinstance(whole, np.memmap) and whole.filename) or isinstance(whole.base, np.memmap):
        whole = whole.obj if isinstance(whole, memoryview) else getattr(whole, "base", None)
        if whole is None:
            return array
    if not array.flags.forc:
        return array
    start = array.__array_interface__["data"][0] - whole.__array_interface__["data"][0]
    order = "C" if array.flags.c_contiguous else "F"
    return Mapped(os.fspath(whole.filename), array.dtype.str, array.shape, whole.offset + start, order)


@lru_cache(maxsize=KEPT_MAPPED)
def open_array(named: Mapped) -> np.ndarray:
    """Map the array that `name_array` named, read-only."""
    return np.memmap(named.path, named.dtype, "r", named.offset, named.shape, named.order)


def _start_maker(memory: SharedMemory, shape, *settings) -> None:
    global _places, _settings, _memory
    follow_parent()
    _memory, _settings = memory, settings
    _places = np.ndarray(shape, np.float32, memory.buf)


def _make_triplet(place: int, named: CachedCase, seed: tuple[int, ...]) -> None:
    hu, mask = (open_array(one) if isinstance(one, Mapped) else one for one in (named.hu, named.mask))
    triplet = training_triplet(replace(named, hu=hu, mask=mask), np.random.default_rng(seed), *_settings)
    for into, array in zip(_places[place], triplet, strict=True):
        into[...] = array
