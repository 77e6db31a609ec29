"""Measure what each part of the shipped model's recipe is worth: one change at a time on one fold. Resumable."""

import sys

from spine_tf.cli.command import run_command

if __name__ == "__main__":
    sys.exit(run_command("ablate"))
