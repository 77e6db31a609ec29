"""Tells a user how far the work is: bars, and sentences between them. In a quiet process, neither.

What a command is asked for (a table, the place of a file) is no progress, and is printed as ever. Whether a process is
quiet stands in its environment, so that the processes it starts are as quiet.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

QUIET = "SPINE_TF_QUIET"
"""The environment variable; set to anything, it makes a process quiet."""


def is_quiet() -> bool:
    """Whether progress stays untold.

    Example:
        >>> with quieted():
        ...     is_quiet()
        True
    """
    return bool(os.environ.get(QUIET))


@contextmanager
def quieted(quiet: bool = True) -> Iterator[None]:
    """Tell no progress inside, here and in processes that are started here; with `quiet=False`, change nothing.

    Example:
        >>> with quieted():
        ...     say("not said")
        >>> is_quiet()
        False
    """
    before = os.environ.get(QUIET)
    if quiet:
        os.environ[QUIET] = "1"
    try:
        yield
    finally:
        if quiet and before is None:
            del os.environ[QUIET]
        elif quiet:
            os.environ[QUIET] = before


def progress_bar(*args, disable: bool = False, **options):
    """Make a bar of tqdm's, invisible in a quiet process; arguments are those of `tqdm.tqdm`.

    Example:
        >>> for case in progress_bar(cases, desc="scoring", unit="case"):
        ...     score(case)
    """
    from tqdm import tqdm

    return tqdm(*args, disable=disable or is_quiet(), **options)


def say(sentence: str) -> None:
    """Print a line of progress on stdout, above the bars there are; nothing in a quiet process.

    Example:
        >>> say("3 cases to train on")
        3 cases to train on
    """
    from tqdm import tqdm

    if not is_quiet():
        tqdm.write(sentence)
        sys.stdout.flush()
