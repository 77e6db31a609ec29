"""Chooses the device and the number of threads of TensorFlow, before its first operation, and loads it quietly."""

import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

_NOTES = re.compile(rb"(WARNING: All log messages before absl|[IW]\d{4} \d\d:\d\d:|E.*failed call to cuInit)")
"""What TensorFlow writes while it loads, whatever its log level: notes, and that a machine without a GPU has none."""


def use_device(device: str = "auto", threads: int | None = None) -> str:
    """Choose the device and the number of CPU threads of this process.

    Args:
        device: "auto" (a GPU where there is one), "cpu" or "gpu".
        threads: CPU threads of one operation; None leaves it to TensorFlow, which takes every core.

    Returns:
        "cpu" or "gpu", whichever will be used.

    Raises:
        ValueError: no GPU although one was asked for, or fewer than one thread.
    """
    if threads is not None and threads < 1:
        raise ValueError(f"threads must be at least 1. Received: threads={threads}")
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    if threads is not None:
        # For NumPy's BLAS too, which prepares the slices and fuses the views.
        os.environ["OMP_NUM_THREADS"] = str(threads)
    with quiet_loading():
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU") if device != "cpu" else []
    if threads is not None:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    if device == "gpu" and not gpus:
        raise ValueError("device must be one that TensorFlow sees. Received: device='gpu', found no GPU (docs/gpu.md)")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    return "gpu" if gpus else "cpu"


@contextmanager
def quiet_loading() -> Iterator[None]:
    """Keep back the notes that TensorFlow writes on stderr while it is loaded inside; other lines come at the end.

    Nothing is held back once TensorFlow is loaded, nor where TF_CPP_MIN_LOG_LEVEL asks for notes (below 2).
    """
    if "tensorflow" in sys.modules or os.environ.get("TF_CPP_MIN_LOG_LEVEL", "2") < "2":
        yield
        return
    sys.stderr.flush()
    # A file, not a pipe: a pipe that nobody reads would stop TensorFlow when it is full.
    with tempfile.TemporaryFile() as notes:
        kept = os.dup(2)
        os.dup2(notes.fileno(), 2)
        try:
            yield
            _look_for_gpus()
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            notes.seek(0)
            os.write(2, b"".join(line for line in notes if not _NOTES.match(line)))


@contextmanager
def without_infos() -> Iterator[None]:
    """Hold back what TensorFlow logs below a warning, which it prints among a notebook's results.

    Example:
        >>> with without_infos():
        ...     logging.getLogger("tensorflow").info("Assets written to: /somewhere")
    """
    logger = logging.getLogger("tensorflow")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def _look_for_gpus() -> None:
    # Looked for here, they need not be later, where the words for their absence would be shown.
    if "tensorflow" in sys.modules:
        sys.modules["tensorflow"].config.list_physical_devices("GPU")


def batches_at_once() -> int:
    """Count the batches that TensorFlow does well at the same time: two on several cores, one on one core or a GPU."""
    import tensorflow as tf

    threads = tf.config.threading.get_intra_op_parallelism_threads() or cores()
    return 1 if threads == 1 or tf.config.list_physical_devices("GPU") else 2


def cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
