"""Several batches at work at the same time, each in a function of its own.

Where a network keeps but one core busy, another batch has the rest: 0.84 of the time a triplet on two cores. But never
in one function: with oneDNN, TensorFlow 2.21 keeps what a convolution adds to its result in the kernel that both calls
share, so that now and then a mask is another batch's in part, or the process crashes. Another function has kernels of
its own, and is traced once more.
"""

import itertools
from collections.abc import Callable
from queue import LifoQueue

ALONE = 50
"""Calls before a second function is made: by then it has cost more not to have it than it costs."""


def in_lanes(make: Callable[[], Callable], lanes: int = 1, alone: int = ALONE) -> Callable:
    """A function to be called from any number of threads: `lanes` of them are at work, the others wait.

    Args:
        make: gives a function that only one thread at a time may call, another one each time.
        lanes: functions in all.
        alone: calls that the first one does by itself; the others are made then.
    """
    free, calls = LifoQueue(), itertools.count()
    free.put(make())

    def call(*args):
        if next(calls) == alone:
            for _ in range(lanes - 1):
                free.put(make())
        function = free.get()
        try:
            return function(*args)
        finally:
            free.put(function)

    return call
