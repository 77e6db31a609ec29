"""Score a run on its held-out cases (--run), or a folder of predicted masks against true ones (--pred, --masks)."""

import sys

from spine_tf.cli.command import run_command

if __name__ == "__main__":
    sys.exit(run_command("evaluate"))
