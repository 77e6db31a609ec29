"""Runs the paper's network (256 px) in LiteRT beside Keras: float32, and with half of its filters removed as int8.

Keras' time is that of the network as it is built. Random weights: what a layer computes has no part in its time. Both
files are made at once, before anything is timed: that takes minutes and some 13 GB, to which Keras' network comes,
which is traced meanwhile.
"""

import multiprocessing
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import tyro
from rows import finish, row
from tqdm import tqdm

KERAS_BATCH = 4
KERAS = "Keras"
AIMS = {"float32": 0.8, "half the filters, dynamic int8": 0.35}


@dataclass(frozen=True)
class Flags:
    rounds: int = 3
    """All are timed this often, in turn."""
    size: int = 256
    """Side of the slices."""
    output: Path | None = None
    """JSON file for the rows."""


def main() -> None:
    flags = tyro.cli(Flags, description=__doc__)
    from spine_tf.inference.engines.litert import litert_predictor

    views = [np.random.default_rng(0).random((KERAS_BATCH, flags.size, flags.size, 3), np.float32)] * 3
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        paths = {name: Path(folder) / f"{number}.tflite" for number, name in enumerate(AIMS)}
        made = {name: pool.submit(convert, name, flags.size, path) for name, path in paths.items()}
        predictors = {KERAS: keras_predictor(flags.size, views)}
        for name, done in tqdm(made.items(), desc="converting", unit="file"):
            done.result()
            predictors[name] = litert_predictor(paths[name], flags.size, KERAS_BATCH)
            predictors[name](*(view[:1] for view in views))  # planned here, not in the first round
    seconds = {name: [] for name in predictors}
    for _ in range(flags.rounds):
        for name, predict in predictors.items():
            start = time.monotonic()
            predict(*views)
            seconds[name].append(time.monotonic() - start)
    rows = []
    for name, aim in AIMS.items():
        ratio = median(a / b for a, b in zip(seconds[name], seconds[KERAS], strict=True))
        note = f"{flags.size} px, Keras in batches of {KERAS_BATCH}"
        rows.append(row(f"paper: LiteRT {name}, time a triplet, of Keras' float32", ratio, at_most=aim, note=note))
    finish(rows, flags.output)


def keras_predictor(size: int, views: list[np.ndarray]) -> Callable:
    """The network as it is built, traced and run once."""
    import tensorflow as tf

    from spine_tf.config import PRESETS, VIEWS
    from spine_tf.models import build_model

    model = build_model(PRESETS["paper"].model, size)
    run = tf.function(lambda *v: model(dict(zip(VIEWS, v, strict=True)), training=False), jit_compile=False)
    run(*map(tf.constant, views))
    return lambda *v: run(*map(tf.constant, v)).numpy()


def convert(name: str, size: int, path: Path) -> None:
    """Write the file of one of `AIMS`, as export.py does; a process of its own gives the memory back."""
    from spine_tf.config import PRESETS
    from spine_tf.export.litert import write_litert
    from spine_tf.inference.engines.merging import merge_normalization
    from spine_tf.models import build_model
    from spine_tf.pruning import remove_filters
    from spine_tf.pruning.zeroing import zero_filters

    model = build_model(PRESETS["paper"].model, size)
    if name != "float32":
        model = remove_filters(model, zero_filters(model, 0.5, criterion="magnitude").groups)
    merge_normalization(model)
    write_litert(model, path, "float32" if name == "float32" else "dynamic_int8")


if __name__ == "__main__":
    main()
