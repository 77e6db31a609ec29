"""Runs several batches at the same time, each in a function of its own.

Where a network keeps but one core busy, another batch has the rest: 0.84 of the time a triplet on two cores. But never
in one function: with oneDNN, TensorFlow 2.21 keeps what a convolution adds to its result in the kernel that both calls
share, so that now and then a mask is another batch's in part, or the process crashes. Another function has kernels of
its own, and is traced once more.
"""

import threading
from collections.abc import Callable
from queue import LifoQueue

ALONE = 50
"""Calls before a second function may be made: by then it has cost more not to have it than it costs."""


def in_lanes(make: Callable[[], Callable], lanes: int = 1, alone: int = ALONE) -> Callable:
    """Make a function to be called from any number of threads: `lanes` of them are at work, the others wait.

    Args:
        make: gives a function that only one thread at a time may call, another one each time.
        lanes: functions in all.
        alone: calls for which the first one is enough; after them another is made where a call would have to wait.

    Returns:
        a function of the same arguments.
    """
    free, lock = LifoQueue(), threading.Lock()
    free.put(make())
    calls, inside, made = 0, 0, 1

    def call(*args):
        nonlocal calls, inside, made
        with lock:
            calls, inside = calls + 1, inside + 1
            another = calls > alone and inside > made and made < lanes
            made += another
        try:
            function = make() if another else free.get()
            try:
                return function(*args)
            finally:
                free.put(function)
        finally:
            with lock:
                inside -= 1

    return call
