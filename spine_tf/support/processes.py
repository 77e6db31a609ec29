"""Ends child processes with the process that started them."""

import multiprocessing
import os
import threading


def end_when_parent_ends() -> None:
    """End this child process as soon as its parent is gone: a parent that is killed cannot tell its children.

    Example:
        >>> with ProcessPoolExecutor(2, get_context("spawn"), initializer=end_when_parent_ends) as pool:
        ...     results = list(pool.map(function, values))
    """
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)
