"""Score predicted label maps, or binary masks, as VerSe does: Dice per vertebra, identification, the whole mask."""

import sys

from spine_tf.cli.command import run_command

if __name__ == "__main__":
    sys.exit(run_command("score-verse"))
