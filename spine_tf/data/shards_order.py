"""Orders the triplets that an endless run draws from shards, and holds few cases open at a time.

An epoch takes the cases in a seeded random order, a set of `cases_open` at a time, and mixes the triplets of a set. So
triplet i is a function of (seed, i) alone, and memory is that of two sets, however many cases there are.
"""

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import numpy as np

from spine_tf.config import DataConfig
from spine_tf.data.cache import CachedCase
from spine_tf.data.shards_read import open_case

KEPT_OPEN = 4
"""Cases that `ShardCases` holds open."""


@lru_cache(maxsize=4)
def shard_order(n_cases: int, triplets_per_case: int, cases_open: int, seed: int, epoch: int) -> np.ndarray:
    """Draw the case of each triplet of an epoch.

    Args:
        n_cases: how many there are.
        triplets_per_case: how often each is drawn, always while its set is open.
        cases_open: how many make a set.
        seed: of the run.
        epoch: from 0.

    Returns:
        (n_cases * triplets_per_case,) numbers of cases, from 0.

    Example:
        >>> order = shard_order(4, 2, cases_open=2, seed=0, epoch=0)
        >>> len(set(order[:4].tolist())), len(set(order[4:].tolist()))
        (2, 2)
    """
    rng = np.random.default_rng((seed, epoch))
    cases = rng.permutation(n_cases)
    sets = [cases[first : first + cases_open] for first in range(0, n_cases, cases_open)]
    return np.concatenate([rng.permutation(np.repeat(one, triplets_per_case)) for one in sets])


class ShardOrder:
    """Give the case of each triplet of a run; a set of cases is open, and a thread opens the next one.

    Args:
        folder: of the shards.
        entries: of the index; the cases to draw from.
        data: triplets_per_case, cases_open and workers are used.
        seed: of the run.
        reach: how far behind the furthest triplet one may still be asked for. None: `data.workers` triplets, which are
            drawn side by side. Indices with gaps reach further.

    Raises:
        ValueError: `entries` is empty.
    """

    def __init__(self, folder: Path, entries: Sequence[dict], data: DataConfig, seed: int, reach: int | None = None):
        if not entries:
            raise ValueError("entries must hold at least one case to train on. Received: entries=[]")
        self.count, self._folder, self._entries, self._data, self._seed = len(entries), folder, entries, data, seed
        self._reach = data.workers if reach is None else reach
        self._per_set = data.cases_open * data.triplets_per_case
        self._per_epoch = len(entries) * data.triplets_per_case
        self._sets: dict[tuple[int, int], Future] = {}
        self._last = 0
        self._lock = threading.Lock()
        self._reader = ThreadPoolExecutor(1, "shards")

    def get(self, index: int) -> CachedCase:
        """Give the case of a triplet, once its set is open.

        Args:
            index: of the triplet in the run, from 0.

        Raises:
            ShardError: a record of the set is not what was written.
        """
        with self._lock:
            # One from further back is a new start.
            if not self._last - self._reach <= index <= self._last:
                self._last = index
            first = self._set_of(max(self._last - self._reach, 0))
            now = self._set_of(index)
            for one in (now, self._after(now)):
                if one not in self._sets:
                    self._sets[one] = self._reader.submit(self._open, one)
            opened = self._sets[now]
            ahead = self._after(self._set_of(self._last))
            self._sets = {one: future for one, future in self._sets.items() if first <= one <= ahead}
        return opened.result()[int(self._order(now[0])[index % self._per_epoch])]

    def close(self) -> None:
        """Let go of every case; those handed out stay valid."""
        self._reader.shutdown(wait=True, cancel_futures=True)
        self._sets.clear()

    def _set_of(self, index: int) -> tuple[int, int]:
        """Give epoch and number of the set that a triplet is drawn from."""
        epoch, place = divmod(index, self._per_epoch)
        return epoch, place // self._per_set

    def _after(self, one: tuple[int, int]) -> tuple[int, int]:
        """Give the set that follows, which may be the next epoch's first."""
        epoch, number = one
        return (epoch, number + 1) if (number + 1) * self._per_set < self._per_epoch else (epoch + 1, 0)

    def _order(self, epoch: int) -> np.ndarray:
        return shard_order(self.count, self._data.triplets_per_case, self._data.cases_open, self._seed, epoch)

    def _open(self, one: tuple[int, int]) -> dict[int, CachedCase]:
        epoch, number = one
        part = self._order(epoch)[number * self._per_set : (number + 1) * self._per_set]
        return {case: open_case(self._folder, self._entries[case]) for case in np.unique(part).tolist()}


class ShardCases(Sequence):
    """Open the cases of an index when they are asked for; the last `KEPT_OPEN` stay open.

    Args:
        folder: of the shards.
        entries: of the index.
    """

    def __init__(self, folder: Path, entries: Sequence[dict]):
        self._entries = entries
        self._get = lru_cache(maxsize=KEPT_OPEN)(lambda number: open_case(folder, entries[number]))

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, number: int) -> CachedCase:
        return self._get(number)
