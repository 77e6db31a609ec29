import os
import subprocess
import sys


def _environment(**given):
    script = "import spine_tf, os; print(os.environ['TF_ENABLE_ONEDNN_OPTS'])"
    clean = {key: value for key, value in os.environ.items() if not key.startswith("TF_")} | given
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=clean).stdout.strip()


def test_onednn_is_on_unless_the_user_says_otherwise():
    assert _environment() == "1"
    assert _environment(TF_ENABLE_ONEDNN_OPTS="0") == "0"
