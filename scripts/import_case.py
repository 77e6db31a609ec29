"""Bring a CT and its label map (TotalSegmentator's or VerSe's labels) into VerSe's layout, to train on or to score."""

import sys

from spine_tf.cli.command import run_command

if __name__ == "__main__":
    sys.exit(run_command("import-case"))
