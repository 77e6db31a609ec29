"""Runs `python -m spine_tf`, the command `spine-tf`."""

import sys

from spine_tf.cli.command import main

if __name__ == "__main__":
    sys.exit(main())
