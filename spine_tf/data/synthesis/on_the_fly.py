"""Makes synthetic scans while a network trains: every epoch sees new ones, made during the one before.

Scan k of epoch e is a function of (seed, e, k) alone, so that a resumed run goes on with the scans it would have had.
"""

import multiprocessing
import os
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path

import numpy as np

from spine_tf.config import PreprocessSpec
from spine_tf.data.cache import CachedCase, cache_arrays, open_entry
from spine_tf.data.cases import Case
from spine_tf.data.synthesis.phantom import Phantom
from spine_tf.support.errors import MakerError
from spine_tf.support.processes import follow_parent

NICENESS = 10
"""Of the worker processes: the training has the right of way."""


class SyntheticScans:
    """Makes the synthetic scans of each epoch as cached cases; at most three epochs of them lie on disk at one time.

    Args:
        make: seed -> Phantom; it is pickled and called in another process.
        count: scans in an epoch.
        folder: where they are kept while they are needed; emptied at the start and by `close`.
        spec: pre-processing of the run.
        seed: of the run.
        workers: processes; each needs about 1 GB.

    Example:
        >>> from spine_tf.data.synthesis.phantom import make_phantom
        >>> make = partial(make_phantom, shape=(24, 24, 24))
        >>> scans = SyntheticScans(make, 1, Path("scans"), PreprocessSpec(), seed=0)  # doctest: +SKIP
        >>> scans.get(epoch=0, number=0).case.source  # doctest: +SKIP
        'synthetic'
        >>> scan_seed(seed=0, epoch=0, number=0) == scan_seed(seed=0, epoch=0, number=1)
        False
    """

    def __init__(
        self,
        make: Callable[[int], Phantom],
        count: int,
        folder: Path,
        spec: PreprocessSpec,
        seed: int,
        workers: int = 1,
    ):
        self.count, self.folder = count, Path(folder)
        self._make = partial(_make_and_cache, make, self.folder, spec, seed)
        self._epochs: dict[int, list[Future]] = {}
        self._opened: dict[tuple[int, int], CachedCase] = {}
        self._lock = threading.Lock()
        shutil.rmtree(self.folder, ignore_errors=True)
        # A forked child of a process that runs TensorFlow may hang on its locks.
        self._pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _start_worker)

    def get(self, epoch: int, number: int) -> CachedCase:
        """Return a scan of an epoch; wait until it is made, and start on those of the next epoch.

        Args:
            epoch, number: counted from 0; `number` is below the count of scans in an epoch.

        Raises:
            MakerError: a worker process has ended.
        """
        try:
            with self._lock:
                for wanted in (epoch, epoch + 1):
                    if wanted not in self._epochs:
                        self._epochs[wanted] = [self._pool.submit(self._make, wanted, k) for k in range(self.count)]
                future = self._epochs[epoch][number]
            entry = future.result()
        except BrokenProcessPool as error:
            expected = (
                "workers that make synthetic scans must live as long as the training; one is gone. Killed for want of "
                "memory (each needs about 1 GB)? A script of your own needs "
                '`if __name__ == "__main__":` around what it runs'
            )
            raise MakerError(f"{expected}. Received: scan {number} of epoch {epoch} not made") from error
        with self._lock:
            key = (epoch, number)
            if key not in self._opened:
                self._opened[key] = open_entry(entry, _case(entry))
                self._drop_epochs(epoch - 2)
            return self._opened[key]

    def close(self) -> None:
        """Stop making scans and delete those on disk."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._opened.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _drop_epochs(self, last: int) -> None:
        for epoch in [e for e in self._epochs if e <= last]:
            del self._epochs[epoch]
            for number in range(self.count):
                # A memory map that is still read outlives its deleted file.
                self._opened.pop((epoch, number), None)
            shutil.rmtree(self.folder / f"epoch{epoch:04d}", ignore_errors=True)


def scan_seed(seed: int, epoch: int, number: int) -> int:
    """Return the seed of one scan: another one for every run, epoch and number."""
    return int(np.random.SeedSequence([seed, epoch, number]).generate_state(1, np.uint64)[0] >> 1)


def _start_worker() -> None:
    os.nice(NICENESS)
    follow_parent()


def _make_and_cache(make, folder: Path, spec: PreprocessSpec, seed: int, epoch: int, number: int) -> Path:
    phantom = make(scan_seed(seed, epoch, number))
    entry = folder / f"epoch{epoch:04d}" / f"scan{number:03d}"
    cache_arrays(phantom.hu, phantom.labels, phantom.spacing_mm, entry, spec)
    return entry


def _case(entry: Path) -> Case:
    name = f"{entry.parent.name}-{entry.name}"
    return Case(name, name, entry / "hu.npy", entry / "mask.npy", source="synthetic")
