"""Train the shipped model's recipe with each real patient left out, and score the one left out. Resumable."""

import sys

from spine_tf.cli.command import run_command

if __name__ == "__main__":
    sys.exit(run_command("leave-one-out"))
