"""Batch inference with two workers beside one, in turn, on copies of a small CT: throughput and memory.

Both share the same cores: two workers have half of the threads each. Throughput is counted from the first finished case
to the last, so that starting Ray and loading the model is in neither.
"""

import os
import shutil
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import tyro
from rows import finish, row

WORKERS = (1, 2)


@dataclass(frozen=True)
class Flags:
    data_root: Path = Path("data")
    """Where sample CTs are kept."""
    scans: int = 10
    rounds: int = 1
    """Each number of workers is timed this often, in turn."""
    output: Path | None = None
    """JSON file for the rows."""


def main() -> None:
    flags = tyro.cli(Flags, description=__doc__)
    from spine_tf.batch import predict_many
    from spine_tf.datasets.samples import TPTBOX, sample_cases
    from spine_tf.engines import SHIPPED

    (case,) = sample_cases(flags.data_root, (TPTBOX,))
    rates, peaks = ({workers: [] for workers in WORKERS} for _ in range(2))
    with tempfile.TemporaryDirectory() as folder:
        scans = [Path(folder) / f"scan{number:02d}.nii.gz" for number in range(flags.scans)]
        for scan in scans:
            shutil.copy(case.image, scan)
        for number in range(flags.rounds):
            for workers in WORKERS:
                output = Path(folder) / f"out{number}-{workers}"
                with Watch() as watch:
                    outcomes = predict_many(scans, SHIPPED, output, workers=workers)
                if any(one.status != "done" for one in outcomes):
                    raise SystemExit(f"not done: {outcomes}")
                ends = sorted(path.stat().st_mtime for path in output.glob("*_report.json"))
                rates[workers].append((len(ends) - 1) / (ends[-1] - ends[0]))
                peaks[workers].append(watch.peak_gib)
    ratio = median(two / one for one, two in zip(rates[1], rates[2], strict=True))
    memory = max(peaks[2]) / max(peaks[1])
    gib = f"{max(peaks[1]):.1f} and {max(peaks[2]):.1f} GiB"
    finish(
        [
            row("many scans: throughput of 2 workers, of 1", ratio, note=f"{flags.scans} scans, the same cores"),
            row("many scans: memory of 2 workers, of 1", memory, note=gib),
        ],
        flags.output,
    )


class Watch:
    """The largest resident size of all workers together, seen twice a second while the block lasts.

    Workers that were there before, of the round before this one, do not count.
    """

    def __enter__(self):
        self.peak_gib, self._ended = 0.0, threading.Event()
        self._before = {path for path in _processes() if _resident_gib(path)}
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    def _look(self):
        while not self._ended.is_set():
            self.peak_gib = max(self.peak_gib, sum(_resident_gib(p) for p in _processes() - self._before))
            time.sleep(0.5)


def _processes() -> set[Path]:
    return set(Path("/proc").glob("[0-9]*"))


def _resident_gib(process: Path) -> float:
    """Of a worker; 0 of any other process."""
    try:
        words = (process / "cmdline").read_bytes()
        if not (words.startswith(b"ray::") and b"Segmenter" in words):
            return 0.0
        return int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**30
    except OSError:
        return 0.0


if __name__ == "__main__":
    main()
