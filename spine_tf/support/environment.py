"""Describes what a run was made with: versions, commit, hardware."""

import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from spine_tf._version import __version__
from spine_tf.support.device import cores

try:
    import resource
except ImportError:  # Windows has none
    resource = None

PACKAGES = ("tensorflow", "keras", "numpy", "scipy", "nibabel", "SimpleITK", "segmentation-models", "scikit-learn")
VECTORS = {"avx512f": "AVX-512", "avx2": "AVX2"}
"""Flag of a CPU on Linux -> what it is called; the widest first."""


def describe_environment() -> dict:
    """Describe versions, git commit and hardware of this process. Nothing of it names a user, a host or a path.

    Example:
        >>> sorted(describe_environment())
        ['cores', 'git_commit', 'gpus', 'processor', 'python', 'spine_tf', 'system', 'versions']
    """
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "spine_tf": __version__,
        "git_commit": git_commit(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "cores": cores(),
        "gpus": _gpus(),
        "versions": versions,
    }


def git_commit() -> str:
    """Name the checkout's commit, with `-dirty` when files differ from it, or "unknown" outside a checkout."""
    try:
        return subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def peak_memory_gib() -> float:
    """Measure the largest resident size of this process so far, in GiB; 0 on Windows, which has no such count."""
    # Rather than getrusage: on Linux a new process starts with the peak of the one that made it.
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 2**20
    except (OSError, StopIteration):
        pass
    if resource is None:
        return 0.0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Name the CPU, and its widest vectors where Linux tells: TensorFlow's speed beside LiteRT's depends on them."""
    try:
        pairs = (line.split(":", 1) for line in cpuinfo.read_text().splitlines() if ":" in line)
        facts = {name.strip(): value.strip() for name, value in pairs}
        name = facts["model name"]
    except (OSError, KeyError):
        return platform.processor() or platform.machine()
    widest = next((words for flag, words in VECTORS.items() if flag in facts.get("flags", "").split()), None)
    return f"{name}, {widest}" if widest else name


def _gpus() -> list[str]:
    # Asking TensorFlow would import it; a process that has not imported it has not used a GPU either.
    tf = sys.modules.get("tensorflow")
    if tf is None or not hasattr(tf, "config"):
        return []
    devices = tf.config.list_physical_devices("GPU")
    return [tf.config.experimental.get_device_details(device).get("device_name", "GPU") for device in devices]
