"""Train the model that ships with spine_tf, score it on the scans it never saw, publish it with its card. Resumable."""

import sys

from spine_tf.cli.command import run_command

if __name__ == "__main__":
    sys.exit(run_command("publish"))
