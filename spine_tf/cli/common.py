"""Holds what all sub-commands share: the exit codes, and the flag that all of them have."""

from dataclasses import dataclass

DONE = 0
FAILED = 1
"""The command ran, and something that it was asked for failed: a scan, a run, a download, a comparison."""
USAGE = 2
"""The command did not run as it was called: a flag, a file or a setting is refused."""
INTERRUPTED = 130
"""Ctrl-C: 128 and the number of SIGINT, as shells have it."""


@dataclass(frozen=True, kw_only=True)
class CommonFlags:
    """Flags of every sub-command."""

    quiet: bool = False
    """Print results and errors alone: no progress bars, no progress."""
