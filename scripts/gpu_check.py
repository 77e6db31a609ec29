"""Check how this machine trains: every way of training for a few steps, then the presets' speed, as one table."""

import sys

from spine_tf.cli.command import run_command

if __name__ == "__main__":
    sys.exit(run_command("gpu-check"))
