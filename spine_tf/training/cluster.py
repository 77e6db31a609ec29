"""Connects the machines that TF_CONFIG names, and lets them agree on what they train.

Each machine runs the same command with its own TF_CONFIG; worker 0 is the chief, which alone writes the run's folder.
"""

import os
import sys
import threading
import zlib
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from spine_tf.config import TrainConfig
from spine_tf.data.pipeline import Share
from spine_tf.support.errors import WorkerError
from spine_tf.support.json_reading import parse_json
from spine_tf.support.progress import say

START_MINUTES = 10.0
"""How long workers wait for each other at the start; TensorFlow would wait for an hour, and then not say for whom."""


class Cluster(NamedTuple):
    """The workers of a run, and which of them this process is."""

    addresses: tuple[str, ...]
    """host:port, the chief's first."""
    index: int


def read_cluster(environ: Mapping[str, str] = os.environ) -> Cluster | None:
    """Read the cluster that TF_CONFIG describes; None where it is not set or names one worker only.

    Raises:
        WorkerError: it is no JSON of `{"cluster": {"worker": [...]}, "task": {"type": ..., "index": ...}}`, has
            parameter servers, or its task is not in its cluster.
    """
    text = environ.get("TF_CONFIG", "").strip() or "{}"
    try:
        values = parse_json(text, "TF_CONFIG", error=WorkerError)
        jobs, task = values.get("cluster", {}), values.get("task", {})
        kind, number = task.get("type", "worker"), int(task.get("index", 0))
        addresses = {job: list(found) for job, found in jobs.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise WorkerError(f"TF_CONFIG must be JSON with cluster and task. Received: {text[:200]!r}") from error
    unknown = sorted({*addresses, kind} - {"chief", "worker"})
    if unknown:
        raise WorkerError(f"TF_CONFIG must name jobs 'worker' and at most one 'chief'. Received: {unknown}")
    if len(addresses.get("chief", [])) > 1:
        raise WorkerError(f"TF_CONFIG must name one chief at most. Received: {addresses['chief']}")
    if jobs and not 0 <= number < len(addresses.get(kind, [])):
        raise WorkerError(f"TF_CONFIG's task must be in its cluster. Received: {kind} {number} of {addresses}")
    chiefs = addresses.get("chief", [])
    everyone = (*chiefs, *addresses.get("worker", []))
    return Cluster(everyone, number + (len(chiefs) if kind == "worker" else 0)) if len(everyone) > 1 else None


def check_switches(train: TrainConfig, several: str = "workers") -> None:
    """Raise WorkerError if a switch is on that several workers, or several "devices" of one, cannot have."""
    reasons = {
        "mirrored": (train.mirrored and several == "workers", "every GPU of every worker is used without it"),
        "jit_compile": (train.jit_compile, f"XLA cannot compile a sum over {several}"),
        "accumulate": (train.accumulate > 1, f"Keras cannot accumulate gradients there; more {several} do the same"),
    }
    for name, (is_on, why) in reasons.items():
        if is_on:
            raise WorkerError(f"{name} must be off with several {several}: {why}. Received: {getattr(train, name)!r}")


def mirror(train: TrainConfig) -> tf.distribute.Strategy:
    """Make the strategy of every GPU of this machine; of a single device TensorFlow's default one, which can do all.

    Where TensorFlow sees no GPU, its CPU devices take their place: one, unless a test has made it several.

    Raises:
        WorkerError: there are several devices, and a switch is on that they cannot have.
    """
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if len(devices) == 1:
        return tf.distribute.get_strategy()
    check_switches(train, "devices")
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def connect(cluster: Cluster) -> tf.distribute.Strategy:
    """Make the strategy of a cluster, once all its workers are there; to be called before TensorFlow's first operation.

    The process ends with exit code 2 and a sentence if they are not there after `START_MINUTES`: TensorFlow's own
    waiting cannot be interrupted.
    """
    others = [a for number, a in enumerate(cluster.addresses) if number != cluster.index]
    say(f"worker {cluster.index} of {len(cluster.addresses)}: waiting for {', '.join(others)}")

    def give_up():
        print(
            f"error: all workers of TF_CONFIG must start within {START_MINUTES:g} minutes of each other. "
            f"Received: worker {cluster.index} still waits for one of {others}",
            file=sys.stderr,
            flush=True,
        )
        os._exit(2)

    timer = threading.Timer(60 * START_MINUTES, give_up)
    timer.daemon = True
    timer.start()
    try:
        with lost_workers():
            # Without a timeout in its options: each collective operation would keep a thread for that long. A worker
            # that died is missed within a minute all the same, by its heartbeat or its connection.
            return tf.distribute.MultiWorkerMirroredStrategy()
    finally:
        timer.cancel()


def is_spread(strategy: tf.distribute.Strategy) -> bool:
    """Tell whether a strategy is one of several workers."""
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def worker_index(strategy: tf.distribute.Strategy) -> int:
    """Number this process among the workers, as in `Cluster`; 0, the chief, where there is one only."""
    if not is_spread(strategy):
        return 0
    return read_cluster().index


def worker_count(strategy: tf.distribute.Strategy) -> int:
    """Count the workers that train together."""
    return len(read_cluster().addresses) if is_spread(strategy) else 1


def share_of(strategy: tf.distribute.Strategy, batch_size: int) -> Share:
    """Compute this worker's part of every batch, and among how many devices it is divided.

    Raises:
        WorkerError: the batch cannot be cut into equal parts for every device of every worker; one loss and one
            batch normalisation over all of them need that.
    """
    replicas, count = strategy.num_replicas_in_sync, worker_count(strategy)
    if batch_size % replicas:
        raise WorkerError(f"batch_size must be a multiple of the {replicas} devices. Received: batch_size={batch_size}")
    return Share(worker_index(strategy), count, replicas // count)


def sum_over_workers(strategy: tf.distribute.Strategy, values) -> np.ndarray:
    """Add up what each worker passes, a vector of one length, as float64; all workers must call it."""
    values = np.asarray(values, np.float64)
    if not is_spread(strategy):
        return values
    devices = strategy.num_replicas_in_sync // worker_count(strategy)

    def of_replica(context):
        # Else each device of a worker would add its values.
        return tf.constant(values if context.replica_id_in_sync_group % devices == 0 else np.zeros_like(values))

    with lost_workers():
        spread = strategy.experimental_distribute_values_from_function(of_replica)
        return strategy.reduce("SUM", spread, axis=None).numpy()


def agree(strategy: tf.distribute.Strategy, what: str, text: str) -> None:
    """Raise WorkerError on every worker unless all pass the same text; also waits until all have come this far."""
    mine = np.zeros(worker_count(strategy))
    mine[worker_index(strategy)] = zlib.crc32(text.encode())
    sums = sum_over_workers(strategy, mine)
    others = [number for number, crc in enumerate(sums) if crc != sums[0]]
    if others:
        raise WorkerError(
            f"{what} must be the same for all workers. Received: of {others} another one than of the chief"
        )


def chief_first(strategy: tf.distribute.Strategy, function: Callable):
    """Call `function()` on the chief, and then on the others: what it leaves on a shared disk is made once."""
    made = function() if worker_index(strategy) == 0 else None
    agree(strategy, "the order of work", "")
    return made if worker_index(strategy) == 0 else function()


@contextmanager
def lost_workers():
    """Raise what TensorFlow says, in pages, when a worker is gone as a WorkerError."""
    errors = tf.errors
    lost = (errors.UnavailableError, errors.AbortedError, errors.DeadlineExceededError)
    try:
        yield
    except (*lost, errors.FailedPreconditionError, errors.InternalError) as error:
        lines = [line.strip() for line in error.message.splitlines() if line.strip()] or ["without a message"]
        of_workers = any(word in error.message.lower() for word in ("collective", "peer", "/task:", "coordination"))
        if not isinstance(error, lost) and not of_workers:
            raise
        telling = next((line for line in lines if "abort" in line or "unhealthy" in line), lines[0])
        raise WorkerError(
            "every worker of TF_CONFIG must stay reachable; start all of them again with --resume. "
            f"Received: {type(error).__name__}, {telling[:300]}"
        ) from error
