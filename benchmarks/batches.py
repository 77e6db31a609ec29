"""Times a triplet of the shipped model by batch size and threads, as a multiple of what predict.py takes by default.

Every figure is a median over rounds in which all of an engine's settings run in turn. On one thread, and two
batches at a time, as Keras does after its first ones, it is the default batch alone. Thread counts are processes of
their own: TensorFlow takes its number of threads once.
"""

import json
import multiprocessing
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Literal

import numpy as np
import tyro
from rows import finish, row
from shipped import warm, write_shipped

from spine_tf.config import PREDICTION_BATCH
from spine_tf.support.device import cores, use_device
from spine_tf.views.backend import NumpyBackend

BATCHES = {"keras": (4, 8, 16, 32), "litert": (1, 4, 8)}
DEFAULT = {"keras": PREDICTION_BATCH, "litert": 4}
TRIPLETS = 64
TWO = "two at a time"


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


def measure(flags: Flags) -> dict[str, float]:
    """Median seconds a triplet by batch size, one batch after the other; and by `TWO`, where the engine does that."""
    use_device("cpu", flags.threads)
    from spine_tf.inference.engines import SHIPPED, load_engine
    from spine_tf.inference.engines.litert import litert_predictor
    from spine_tf.inference.engines.load import read_metadata
    from spine_tf.inference.engines.model_files import METADATA

    side, settings = read_metadata(SHIPPED / METADATA)["preprocess"]["image_size"], {}
    views = [np.random.default_rng(0).random((TRIPLETS, side, side, 3), np.float32)] * 3
    for batch in flags.batches:
        if flags.engine == "keras":
            engine = load_engine(SHIPPED, batch)
            predict, at_once = engine.predict, engine.at_once
        else:
            predict = litert_predictor(flags.files / f"{batch}.tflite", side, batch, flags.threads)
            at_once = 1
        settings[str(batch)] = predict, batch, 1
        predict(*(view[:batch] for view in views))
        if at_once > 1 and batch == DEFAULT[flags.engine]:
            settings[TWO] = predict, batch, at_once
            warm(engine)
    seconds = {name: [] for name in settings}
    for _ in range(flags.rounds):
        for name, (predict, batch, at_once) in settings.items():
            start = time.monotonic()
            in_batches(predict, views, batch, at_once)
            seconds[name].append((time.monotonic() - start) / TRIPLETS)
    return {name: median(found) for name, found in seconds.items()}


def in_batches(predict: Callable, views: list[np.ndarray], batch: int, at_once: int) -> None:
    """As a window of a scan is done."""
    NumpyBackend(at_once=at_once).batches(lambda i, j: predict(*(view[i:j] for view in views)), TRIPLETS, batch)


def main() -> None:
    flags = tyro.cli(Flags, description=__doc__)
    if flags.threads is not None:
        print(json.dumps(measure(flags)))
        return
    threads, rows = cores(), []
    with tempfile.TemporaryDirectory() as folder:
        with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
            paths = [Path(folder) / f"{batch}.tflite" for batch in BATCHES["litert"]]
            list(pool.map(write_shipped, paths, BATCHES["litert"]))
        for engine, batches in BATCHES.items():
            default = str(DEFAULT[engine])
            found = in_process(engine, threads, batches, Path(folder), flags.rounds)
            usual, two = found[default], found.pop(TWO, None)
            cells = ", ".join(f"{batch}: {seconds / usual:.2f}" for batch, seconds in found.items())
            words = f"{engine}: time a triplet at the best batch size, of the default's"
            note = f"default {default}, {threads} cores; by batch size {cells}"
            rows.append(row(words, min(found.values()) / usual, note=note))
            if two is not None:
                words = f"{engine}: time a triplet with two batches at a time, of one after the other"
                rows.append(row(words, two / usual, note=f"batches of {default}"))
            one = in_process(engine, 1, (DEFAULT[engine],), Path(folder), flags.rounds)[default]
            words = f"{engine}: time a triplet on {threads} cores, of that on one"
            rows.append(row(words, usual / one, note=f"batches of {default}"))
    finish(rows, flags.output)


def in_process(engine: str, threads: int, batches: tuple[int, ...], files: Path, rounds: int) -> dict[str, float]:
    flags = {"threads": threads, "engine": engine, "files": files, "rounds": rounds}
    command = [sys.executable, __file__, *(word for name, value in flags.items() for word in (f"--{name}", str(value)))]
    done = subprocess.run([*command, "--batches", *map(str, batches)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
