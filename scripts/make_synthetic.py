"""Make synthetic CTs from label maps and phantoms, in VerSe'20's layout or as a contact sheet. `more`: VerSe masks."""

import sys

from spine_tf.cli.command import run_command

if __name__ == "__main__":
    sys.exit(run_command("make-synthetic"))
