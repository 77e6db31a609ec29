"""Segment thousands of CT scans with Ray Data: a folder or a CSV in; what predict.py writes of each out.

results.csv has a line for each case, failures.csv for each that failed; the same command again does what is not done.
"""

import sys

from spine_tf.cli.command import run_command

if __name__ == "__main__":
    sys.exit(run_command("predict-many"))
