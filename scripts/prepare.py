"""Decode a VerSe root once into TFRecord shards with checksums, to train from. Started again, it goes on."""

import sys

from spine_tf.cli.command import run_command

if __name__ == "__main__":
    sys.exit(run_command("prepare"))
