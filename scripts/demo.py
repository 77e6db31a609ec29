"""Run the demo: train the shipped recipe for minutes, score it on held-out scans, segment a full-size CT."""

import sys

from spine_tf.cli.command import run_command

if __name__ == "__main__":
    sys.exit(run_command("demo"))
