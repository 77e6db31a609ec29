"""Make synthetic CT spines in VerSe'20's layout. About a second each; complete ones that are there are kept."""

import sys

from spine_tf.cli.command import run_command

if __name__ == "__main__":
    sys.exit(run_command("make-phantoms"))
