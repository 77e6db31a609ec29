"""Time a triplet of the shipped model by batch size and threads, as a multiple of what predict.py takes by default.

Every figure is a median over rounds in which all of an engine's settings run in turn. Thread counts are processes of
their own: TensorFlow takes its number of threads once.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Literal

import numpy as np
import tyro
from rows import finish, row

from spine_tf.config import PREDICTION_BATCH

BATCHES = {"keras": (4, 8, 16, 32), "litert": (1, 4, 8)}
DEFAULT = {"keras": PREDICTION_BATCH, "litert": 4}
TRIPLETS = 32


@dataclass(frozen=True)
class Flags:
    rounds: int = 3
    threads: int | None = None
    """Measure with so many threads here and print the seconds as JSON; None: all counts, in processes."""
    engine: Literal["keras", "litert"] = "keras"
    """With `threads`."""
    output: Path | None = None
    """JSON file for the rows."""


def measure(engine: str, threads: int, rounds: int) -> dict[int, float]:
    """Batch size -> median seconds a triplet."""
    from spine_tf.device import use_device

    use_device("cpu", threads)
    from spine_tf.engines import SHIPPED, load_engine
    from spine_tf.engines.keras_model import load_safely
    from spine_tf.engines.litert import litert_predictor
    from spine_tf.export.litert import write_litert

    side = load_engine(SHIPPED).spec.image_size
    views = [np.random.default_rng(0).random((TRIPLETS, side, side, 3), np.float32)] * 3
    predictors = {}
    for batch in BATCHES[engine]:
        if engine == "keras":
            predictors[batch] = load_engine(SHIPPED, batch).predict
        else:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "float32.tflite"
                write_litert(load_safely(SHIPPED / "model.keras"), path, "float32", batch=batch)
                predictors[batch] = litert_predictor(path, side, batch, threads)
        predictors[batch](*(view[:batch] for view in views))
    seconds = {batch: [] for batch in predictors}
    for _ in range(rounds):
        for batch, predict in predictors.items():
            start = time.monotonic()
            for at in range(0, TRIPLETS, batch):
                predict(*(view[at : at + batch] for view in views))
            seconds[batch].append((time.monotonic() - start) / TRIPLETS)
    return {batch: median(found) for batch, found in seconds.items()}


def main() -> None:
    flags = tyro.cli(Flags, description=__doc__)
    if flags.threads is not None:
        print(json.dumps(measure(flags.engine, flags.threads, flags.rounds)))
        return
    cores = len(os.sched_getaffinity(0))
    rows = []
    for engine in BATCHES:
        found = {threads: in_process(engine, threads, flags.rounds) for threads in sorted({1, cores})}
        usual = found[cores][DEFAULT[engine]]
        for threads, by_batch in found.items():
            cells = ", ".join(f"{batch}: {seconds / usual:.2f}" for batch, seconds in by_batch.items())
            words = f"{engine}, {threads} of {cores} cores: time a triplet at the best batch size, of the default's"
            default = f"default {DEFAULT[engine]} on {cores} cores; by batch size {cells}"
            rows.append(row(words, min(by_batch.values()) / usual, note=default))
    finish(rows, flags.output)


def in_process(engine: str, threads: int, rounds: int) -> dict[int, float]:
    command = [sys.executable, __file__, "--threads", str(threads), "--engine", engine, "--rounds", str(rounds)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return {int(batch): seconds for batch, seconds in json.loads(done.stdout.splitlines()[-1]).items()}


if __name__ == "__main__":
    main()
