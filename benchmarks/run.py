"""Runs every benchmark of speed and memory, one after the other; writes results.json and results.md beside this file.

    make bench

Each row is a ratio of two things run in turn, or a peak of memory. What pruning does to Dice is not among them: it
needs a trained run and hours (pruning.py).
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import tyro
from rows import row, table
from tqdm import tqdm

from spine_tf.support.environment import describe_environment
from spine_tf.support.files import write_json, write_text

HERE = Path(__file__).resolve().parent
JOBS: dict[str, tuple[str, ...]] = {
    "small": ("first_step.py", "--preset", "small"),
    "paper": ("first_step.py", "--preset", "paper", "--steps", "1", "--no-in-turn"),
    "pipeline": ("pipeline.py", "--rounds", "1"),
    "shards": ("shards.py", "--rounds", "6"),
    "volume": ("volume.py", "--rounds", "1"),
    "batches": ("batches.py", "--rounds", "2"),
    "litert": ("litert.py", "--rounds", "2"),
    "many": ("predict_many.py",),
}
"""Name -> script and its arguments."""


@dataclass(frozen=True)
class Flags:
    only: tuple[str, ...] = ()
    """Names of `JOBS`; none: all of them."""
    output: Path = HERE
    """Folder for results.json and results.md."""


def main() -> int:
    flags = tyro.cli(Flags, description=__doc__)
    unknown = sorted(set(flags.only) - set(JOBS))
    if unknown:
        print(f"error: only must be among {list(JOBS)}. Received: {unknown}", file=sys.stderr)
        return 2
    # Before anything is written: results.md itself would make a clean checkout a changed one.
    facts, jobs, start = describe_environment(), [], time.monotonic()
    for name in tqdm(flags.only or tuple(JOBS), desc="benchmarks", unit="benchmark"):
        jobs.append(run(name))
        tqdm.write(f"\n{name}: {jobs[-1]['seconds']:.0f} s\n{table(jobs[-1]['rows'])}")
        # After each: what is measured is not lost if the next one is stopped.
        write(flags.output, facts, jobs, time.monotonic() - start)
    failed = [job["name"] for job in jobs if job["failed"]]
    if failed:
        print(f"failed: {failed}", file=sys.stderr)
    return 1 if failed else 0


def run(name: str) -> dict:
    """Run one benchmark in a process of its own: its rows, seconds, and the largest process's peak memory."""
    script, *arguments = JOBS[name]
    with tempfile.TemporaryDirectory() as folder:
        output, log = Path(folder) / "rows.json", Path(folder) / "log"
        start = time.monotonic()
        with log.open("w") as stream:
            command = [sys.executable, str(HERE / script), *arguments, "--output", str(output)]
            process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - start
        failed = not output.exists()
        if failed:
            last = (log.read_text().strip().splitlines() or ["no output"])[-1]
            rows = [row(script, None, note=f"failed: {last[:200]}")]
        else:
            rows = json.loads(output.read_text())
    return {
        "name": name,
        "command": " ".join(JOBS[name]),
        "seconds": round(seconds),
        "peak_memory_gib": round(usage.ru_maxrss / 2**20, 2),
        "failed": failed,
        "rows": rows,
    }


def write(folder: Path, facts: dict, jobs: list[dict], seconds: float) -> None:
    """results.json and results.md, whole or not at all; `facts` is what `describe_environment` gave."""
    write_json(folder / "results.json", {"environment": facts, "seconds": round(seconds), "benchmarks": jobs})
    parts = [
        "# Benchmarks\n",
        f"`make bench` on {facts['cores']} cores of {facts['processor']}, {facts['system']}, TensorFlow "
        f"{facts['versions']['tensorflow']}, Keras {facts['versions']['keras']}, commit {facts['git_commit']}: "
        f"{seconds / 60:.0f} min. Ratios of two things run in turn; no absolute time is a claim.\n",
    ]
    for job in jobs:
        words = f"`{job['command']}`, {job['seconds']} s, largest process {job['peak_memory_gib']:g} GiB"
        parts.append(f"## {job['name']}\n\n{words}\n\n{table(job['rows'])}\n")
    write_text(folder / "results.md", "\n".join(parts))


if __name__ == "__main__":
    sys.exit(main())
