"""Segment the spine of CT scans: NIfTI files and DICOM folders in; mask, picture and report of each out."""

import sys

from spine_tf.cli.command import run_command

if __name__ == "__main__":
    sys.exit(run_command("predict"))
