"""The order in which an endless run draws its triplets from shards, and the few cases it holds open at a time.

An epoch takes the cases in a seeded random order, a window of them at a time, and mixes the triplets of a window. So
triplet i still is a function of (seed, i) alone, and memory is that of two windows, however many cases there are.
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


@lru_cache(maxsize=4)
def windowed_order(n_cases: int, triplets_per_case: int, window_cases: int, seed: int, epoch: int) -> np.ndarray:
    """The case of each triplet of an epoch: every case `triplets_per_case` times, all of them within one window."""
    rng = np.random.default_rng((seed, epoch))
    cases = rng.permutation(n_cases)
    windows = [cases[first : first + window_cases] for first in range(0, n_cases, window_cases)]
    return np.concatenate([rng.permutation(np.repeat(window, triplets_per_case)) for window in windows])


def open_mapped(folder: Path, entries: Sequence[dict]) -> list[CachedCase]:
    """Cases mapped from their shards, each checked."""
    return [open_case(folder, entry) for entry in entries]


class ShardWindows:
    """The case of each triplet of a run; a window of cases is open, and the next one is opened in a thread.

    Args:
        folder: of the shards.
        entries: of the index; the cases to draw from, at least one.
        data: triplets_per_case, window_cases and workers are used.
        seed: of the run.
        open_window: folder, entries -> cases; how a window is read.
        reach: how many triplets behind the furthest one may still be asked for; None: `data.workers`, which draw side
            by side. Indices with gaps reach further.
    """

    def __init__(
        self,
        folder: Path,
        entries: Sequence[dict],
        data: DataConfig,
        seed: int,
        open_window=open_mapped,
        reach: int | None = None,
    ):
        if not entries:
            raise ValueError("entries must hold at least one case to train on. Received: entries=[]")
        self.count, self._folder, self._entries, self._data, self._seed = len(entries), folder, entries, data, seed
        self._open_window = open_window
        self._reach = data.workers if reach is None else reach
        self._per_window = data.window_cases * data.triplets_per_case
        self._per_epoch = len(entries) * data.triplets_per_case
        self._windows: dict[tuple[int, int], Future] = {}
        self._last = 0
        self._lock = threading.Lock()
        self._reader = ThreadPoolExecutor(1, "shards")

    def get(self, index: int) -> CachedCase:
        """The case of triplet `index` of the run; waits until its window is open.

        Raises:
            ShardError: a record of the window is not what was written.
        """
        with self._lock:
            # One from further back is a new start.
            if not self._last - self._reach <= index <= self._last:
                self._last = index
            first = self._window(max(self._last - self._reach, 0))
            now = self._window(index)
            for window in (now, self._after(now)):
                if window not in self._windows:
                    self._windows[window] = self._reader.submit(self._open, window)
            opened = self._windows[now]
            ahead = self._after(self._window(self._last))
            self._windows = {w: future for w, future in self._windows.items() if first <= w <= ahead}
        return opened.result()[int(self._order(now[0])[index % self._per_epoch])]

    def close(self) -> None:
        """Let go of every case; those handed out stay valid."""
        self._reader.shutdown(wait=True, cancel_futures=True)
        self._windows.clear()

    def _window(self, index: int) -> tuple[int, int]:
        """Epoch and number of the window of a triplet."""
        epoch, place = divmod(index, self._per_epoch)
        return epoch, place // self._per_window

    def _after(self, window: tuple[int, int]) -> tuple[int, int]:
        epoch, number = window
        return (epoch, number + 1) if (number + 1) * self._per_window < self._per_epoch else (epoch + 1, 0)

    def _order(self, epoch: int) -> np.ndarray:
        return windowed_order(self.count, self._data.triplets_per_case, self._data.window_cases, self._seed, epoch)

    def _open(self, window: tuple[int, int]) -> dict[int, CachedCase]:
        epoch, number = window
        part = self._order(epoch)[number * self._per_window : (number + 1) * self._per_window]
        numbers = np.unique(part).tolist()
        cases = self._open_window(self._folder, [self._entries[n] for n in numbers])
        return dict(zip(numbers, cases, strict=True))


class ShardCases(Sequence):
    """Cases of an index that are opened when they are asked for; the last few stay open."""

    def __init__(self, folder: Path, entries: Sequence[dict], kept: int = 4):
        self._entries = entries
        self._get = lru_cache(maxsize=kept)(lambda number: open_case(folder, entries[number]))

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, number: int) -> CachedCase:
        return self._get(number)
