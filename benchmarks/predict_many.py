"""Segments many scans with one worker and with two, in turn: throughput as a ratio, and the peak memory of each.

    .venv/bin/python benchmarks/predict_many.py --copies 12 --rounds 3

Each job is a process of its own with a Ray of its own. Throughput is told twice: of the whole job, start included,
which matters less the longer a job is; and once every worker has done a scan. Memory is that of all processes of a job
together, what they share counted once (PSS), read from /proc: Linux only. All jobs have the same cores: each of two
workers has half of them.
"""

import csv
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import tyro
from rows import finish, row
from tqdm import tqdm

PREDICT_MANY = Path(__file__).resolve().parents[1] / "scripts" / "predict_many.py"
ONE, TWO = 1, 2
SAMPLE_SECONDS = 0.2


@dataclass(frozen=True)
class Flags:
    scan: Path | None = None
    """None: the lumbar crop (TPTBox), 73 x 47 x 73."""
    model: str | None = None
    """As predict.py takes it; None: the model that comes with spine_tf."""
    copies: int = 6
    """How often the scan is done in each job."""
    rounds: int = 1
    """Each number of workers has a job in each round."""
    data_root: Path = Path("data")
    """Where sample CTs are kept."""
    output: Path | None = None
    """JSON file for the rows."""


def main() -> int:
    flags = tyro.cli(Flags, description=__doc__)
    if flags.copies <= TWO:
        raise SystemExit(f"error: copies must be more than {TWO}. Received: copies={flags.copies}")
    scan = flags.scan
    if scan is None:
        from spine_tf.data.sample_scans import TPTBOX, sample_cases

        scan = sample_cases(flags.data_root, (TPTBOX,))[0].image
    jobs = {ONE: [], TWO: []}
    for _ in tqdm(range(flags.rounds), desc="segmenting", unit="round"):
        for workers, found in jobs.items():
            found.append(run(scan, flags.model, flags.copies, workers))
    finish(rows(jobs, flags.copies), flags.output)
    return 0


def run(scan: Path, model: str | None, copies: int, workers: int) -> dict[str, float]:
    """One job: seconds of the whole and of one scan, each worker warm; peak GiB of the workers and of all processes."""
    with tempfile.TemporaryDirectory() as folder:
        listed, output = Path(folder) / "scans.csv", Path(folder) / "out"
        with open(listed, "w", newline="") as file:
            lines = ((scan.resolve(), f"copy{number}") for number in range(copies))
            csv.writer(file).writerows([("path", "case"), *lines])
        command = [sys.executable, str(PREDICT_MANY), str(listed), "--output", str(output), "--workers", str(workers)]
        command += ["--model", model] if model else []
        start = time.monotonic()
        job = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        peaks, ended = {"workers_gib": 0.0, "all_gib": 0.0}, threading.Event()
        watcher = threading.Thread(target=_watch, args=(job.pid, peaks, ended))
        watcher.start()
        message = job.communicate()[1]
        seconds = time.monotonic() - start
        ended.set()
        watcher.join()
        if job.returncode:
            raise SystemExit(f"error: {' '.join(command)} ended with {job.returncode}: {message[-2000:]}")
        written = sorted(path.stat().st_mtime for path in output.glob("*_report.json"))
        at_work = (written[-1] - written[workers - 1]) / (copies - workers)
        return {"seconds": seconds, "seconds_a_scan_at_work": at_work, **peaks}


def rows(jobs: dict[int, list[dict]], copies: int) -> list[dict]:
    """Medians over the rounds of two workers' throughput and memory as ratios to those of one, and the peaks."""

    def ratio(name):
        return median(two[name] / one[name] for one, two in zip(jobs[ONE], jobs[TWO], strict=True))

    def peaks(name):
        return " and ".join(f"{max(job[name] for job in found):.2f}" for found in jobs.values()) + " GiB"

    scans, name = f"{copies} scans, the same cores", "many scans, 2 workers to 1:"
    return [
        row(f"{name} throughput of workers at work", 1 / ratio("seconds_a_scan_at_work"), note=scans),
        row(f"{name} throughput of the whole job", 1 / ratio("seconds"), note=f"{scans}, start included"),
        row(f"{name} memory of the workers", ratio("workers_gib"), note=f"1 and 2 workers: {peaks('workers_gib')}"),
        row(f"{name} memory with Ray's own processes", ratio("all_gib"), note=f"1 and 2 workers: {peaks('all_gib')}"),
    ]


def _watch(root: int, peaks: dict[str, float], ended: threading.Event) -> None:
    while not ended.wait(SAMPLE_SECONDS):
        sizes = [(_gib(pid), _is_worker(pid)) for pid in _family(root)]
        peaks["all_gib"] = max(peaks["all_gib"], sum(size for size, _ in sizes))
        peaks["workers_gib"] = max(peaks["workers_gib"], sum(size for size, is_worker in sizes if is_worker))


def _family(root: int) -> list[int]:
    """A process and all below it."""
    children = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name, in brackets, may hold anything; the parent is the second field after it.
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(path.parent.name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def _gib(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # it has ended
        return 0.0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0) / 2**20


def _is_worker(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"ray::MapWorker")
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
