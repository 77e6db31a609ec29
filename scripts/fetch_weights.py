"""Fetch pretrained weights ahead of training, for a machine without a network. What is there already is kept."""

import sys

from spine_tf.cli.command import run_command

if __name__ == "__main__":
    sys.exit(run_command("fetch-weights"))
