"""Prune a trained run's network, fine-tune what is left, and say what it costs and gains. Resumable."""

import sys

from spine_tf.cli.command import run_command

if __name__ == "__main__":
    sys.exit(run_command("prune"))
