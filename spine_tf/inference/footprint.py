"""Measures what models cost on this machine's CPU: peak memory and time, in processes of their own.

In the process that trained it, a model's memory would hide behind what training took.
"""

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median

import numpy as np

from spine_tf.inference.engines import load_engine
from spine_tf.support.environment import peak_memory_gib
from spine_tf.support.progress import progress_bar

BATCH_SIZES = (1, 8)
"""Triplets at once: a single one, and as many as `inference.volume.segment_volume` gives a network."""


def peak_memory_mib(model: Path, batch_size: int = 8) -> dict[str, float]:
    """Measure the peak memory of a process that loads a model and predicts one batch.

    Args:
        model: as `load_engine` takes it.
        batch_size: triplets at once.

    Returns:
        MiB of resident memory. "start": the peak before the model was loaded, which is TensorFlow's own; "peak": after
        the prediction.
    """
    return _in_a_process(_peak_memory, Path(model), batch_size)


def latencies(models: dict[str, Path], batch_sizes=BATCH_SIZES, rounds: int = 20) -> dict[int, dict[str, list[float]]]:
    """Time predictions on the CPU, the models in turn in one process, so that whatever slows one slows all.

    Args:
        models: name -> as `load_engine` takes it.
        batch_sizes: triplets at once.
        rounds: predictions of each model and batch size.

    Returns:
        batch size -> name -> seconds of each round.
    """
    return _in_a_process(_latencies, {name: Path(path) for name, path in models.items()}, tuple(batch_sizes), rounds)


def speed_ratio(one: list[float], other: list[float]) -> float:
    """Compute how long the first takes as a multiple of the other: the median of the rounds' ratios."""
    return median(a / b for a, b in zip(one, other, strict=True))


def _in_a_process(function: Callable, *args):
    # Spawned: a forked child of a process that runs TensorFlow may hang on its locks.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *args).result()


def _peak_memory(model: Path, batch_size: int) -> dict[str, float]:
    from spine_tf.support.device import use_device

    use_device("cpu")
    import spine_tf.inference.engines.keras_model  # noqa: F401  so that what it imports is no part of the model's share

    start = 1024 * peak_memory_gib()
    _predict(load_engine(model, batch_size), batch_size)
    return {"start": start, "peak": 1024 * peak_memory_gib()}


def _latencies(models: dict[str, Path], batch_sizes: tuple[int, ...], rounds: int) -> dict[int, dict[str, list[float]]]:
    from spine_tf.support.device import use_device

    use_device("cpu")
    found = {}
    for batch_size in batch_sizes:
        engines = {name: load_engine(path, batch_size) for name, path in models.items()}
        for engine in engines.values():
            _predict(engine, batch_size)  # traced
        seconds = found[batch_size] = {name: [] for name in models}
        for _ in progress_bar(range(rounds), desc=f"timing, {batch_size} at once", unit="round", leave=False):
            for name, engine in engines.items():
                start = time.perf_counter()
                _predict(engine, batch_size)
                seconds[name].append(time.perf_counter() - start)
    return found


def _predict(engine, batch_size: int) -> None:
    side = engine.spec.image_size
    engine.predict(*np.full((3, batch_size, side, side, 3), 0.5, np.float32))
