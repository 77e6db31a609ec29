"""Time a triplet of the shipped model by batch size and threads, as a multiple of what predict.py takes by default.

Every figure is a median over rounds in which all of an engine's settings run in turn; on one thread the default batch
alone. Thread counts are processes of their own: TensorFlow takes its number of threads once.
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
    """Measure with so many threads here and print the seconds as JSON; None: one and all, in processes."""
    engine: Literal["keras", "litert"] = "keras"
    """With `threads`."""
    batches: tuple[int, ...] = ()
    """With `threads`."""
    files: Path | None = None
    """With `threads`: folder of the .tflite files by batch size."""
    output: Path | None = None
    """JSON file for the rows."""


def measure(flags: Flags) -> dict[int, float]:
    """Batch size -> median seconds a triplet."""
    from spine_tf.device import use_device

    use_device("cpu", flags.threads)
    from spine_tf.engines import SHIPPED, load_engine
    from spine_tf.engines.litert import litert_predictor

    side = load_engine(SHIPPED).spec.image_size
    views = [np.random.default_rng(0).random((TRIPLETS, side, side, 3), np.float32)] * 3
    predictors = {}
    for batch in flags.batches:
        if flags.engine == "keras":
            predictors[batch] = load_engine(SHIPPED, batch).predict
        else:
            predictors[batch] = litert_predictor(flags.files / f"{batch}.tflite", side, batch, flags.threads)
        predictors[batch](*(view[:batch] for view in views))
    seconds = {batch: [] for batch in predictors}
    for _ in range(flags.rounds):
        for batch, predict in predictors.items():
            start = time.monotonic()
            for at in range(0, TRIPLETS, batch):
                predict(*(view[at : at + batch] for view in views))
            seconds[batch].append((time.monotonic() - start) / TRIPLETS)
    return {batch: median(found) for batch, found in seconds.items()}


def main() -> None:
    flags = tyro.cli(Flags, description=__doc__)
    if flags.threads is not None:
        print(json.dumps(measure(flags)))
        return
    cores, rows = len(os.sched_getaffinity(0)), []
    with tempfile.TemporaryDirectory() as folder:
        write_files(Path(folder))
        for engine, batches in BATCHES.items():
            default = DEFAULT[engine]
            found = in_process(engine, cores, batches, Path(folder), flags.rounds)
            usual = found[default]
            cells = ", ".join(f"{batch}: {seconds / usual:.2f}" for batch, seconds in found.items())
            words = f"{engine}: time a triplet at the best batch size, of the default's"
            note = f"default {default}, {cores} cores; by batch size {cells}"
            rows.append(row(words, min(found.values()) / usual, note=note))
            alone = in_process(engine, 1, (default,), Path(folder), flags.rounds)[default]
            words = f"{engine}: time a triplet on {cores} cores, of that on one"
            rows.append(row(words, usual / alone, note=f"batches of {default}"))
    finish(rows, flags.output)


def write_files(folder: Path) -> None:
    """The shipped model as files of LiteRT (float32), by batch size."""
    from spine_tf.engines import SHIPPED
    from spine_tf.engines.keras_model import load_safely
    from spine_tf.export.litert import write_litert

    model = load_safely(SHIPPED / "model.keras")
    for batch in BATCHES["litert"]:
        write_litert(model, folder / f"{batch}.tflite", "float32", batch=batch)


def in_process(engine: str, threads: int, batches: tuple[int, ...], files: Path, rounds: int) -> dict[int, float]:
    flags = {"threads": threads, "engine": engine, "files": files, "rounds": rounds}
    command = [sys.executable, __file__, *(word for name, value in flags.items() for word in (f"--{name}", str(value)))]
    done = subprocess.run([*command, "--batches", *map(str, batches)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return {int(batch): seconds for batch, seconds in json.loads(done.stdout.splitlines()[-1]).items()}


if __name__ == "__main__":
    main()
