"""Ends child processes with the process that started them."""

import multiprocessing
import os
import signal
import threading


def end_when_parent_ends() -> None:
    """End this child process as soon as its parent is gone: a parent that is killed cannot tell its children.

    Example:
        >>> with ProcessPoolExecutor(2, get_context("spawn"), initializer=end_when_parent_ends) as pool:
        ...     results = list(pool.map(function, values))
    """
    threading.Thread(target=_end_with_parent, daemon=True).start()


def follow_parent() -> None:
    """End this child process with its parent, and leave Ctrl-C to that: it reaches all processes of a terminal.

    For children whose parent ends them within seconds; others would go on working after Ctrl-C.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_when_parent_ends()


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)
