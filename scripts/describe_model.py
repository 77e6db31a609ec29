"""Print what a preset's network consists of, part by part, and draw it."""

import sys

from spine_tf.cli.command import run_command

if __name__ == "__main__":
    sys.exit(run_command("describe"))
