"""Export a trained network: SavedModel and LiteRT files, compared with Keras on a real scan, then published."""

import sys

from spine_tf.cli.command import run_command

if __name__ == "__main__":
    sys.exit(run_command("export"))
