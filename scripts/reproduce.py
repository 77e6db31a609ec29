"""Reproduce the paper's tables and figures: run what is missing, put together what is on disk. Resumable."""

import sys

from spine_tf.cli.command import run_command

if __name__ == "__main__":
    sys.exit(run_command("reproduce"))
