"""Train a network. Without arguments: preset `small` on phantoms and a real sample CT; with --data ROOT: on VerSe."""

import sys

from spine_tf.cli.command import run_command

if __name__ == "__main__":
    sys.exit(run_command("train"))
