"""Chooses the device and the number of threads that TensorFlow uses, before its first operation."""

import os


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
    import tensorflow as tf

    if threads is not None:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    gpus = tf.config.list_physical_devices("GPU") if device != "cpu" else []
    if device == "gpu" and not gpus:
        raise ValueError("device must be one that TensorFlow sees. Received: device='gpu', found no GPU (docs/gpu.md)")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    return "gpu" if gpus else "cpu"


def batches_at_once() -> int:
    """Count the batches that TensorFlow does well at the same time: two on several cores, one on one core or a GPU."""
    import tensorflow as tf

    threads = tf.config.threading.get_intra_op_parallelism_threads() or cores()
    return 1 if threads == 1 or tf.config.list_physical_devices("GPU") else 2


def cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
