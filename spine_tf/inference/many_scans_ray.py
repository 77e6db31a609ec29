"""Starts Ray or joins it: quiet, small, and ended if it was not there before."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

from spine_tf.inference.many_scans_worker import MAX_TRIES

# Names of files and sentences pass through it, no voxels.
_OBJECT_STORE_BYTES = 256 * 2**20
# Ray waits 30 s for its own processes, and they need longer on a machine that is busy.
_START_TRIES = 3


def start_ray(address: str | None = None, num_cpus: int | None = None) -> None:
    """Join the Ray cluster at an address, or start Ray here, without telling its makers.

    Args:
        address: "auto", "ray://host:10001", ...; None: Ray is started on this machine.
        num_cpus: cores that a Ray of this machine may use; None: all.

    Raises:
        ValueError: it does not start or answer.
    """
    import ray

    # Ray reports each cluster's size and platform over the network unless it is told not to.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    own = {"num_cpus": num_cpus, "object_store_memory": _OBJECT_STORE_BYTES, "include_dashboard": False}
    for tries_left in reversed(range(_START_TRIES)):
        try:
            ray.init(address=address or "local", log_to_driver=False, logging_level="ERROR", **({} if address else own))
            return
        except Exception as error:  # Ray raises no narrower class when its own processes are slow to start
            ray.shutdown()
            if address or not tries_left:
                expected = "Ray must start on this machine, or answer at an address"
                raise ValueError(f"{expected}. Received: address={address!r}, {error}") from None


@contextmanager
def ray_for(address: str | None, workers: int) -> Iterator[int]:
    """Start or join Ray for so many workers, and end it if it was not there before; gives the cores of each worker.

    Args:
        address: as `start_ray` takes it.
        workers: processes at the same time.

    Raises:
        ValueError: Ray is not installed or does not start, or this machine has fewer cores than workers.
    """
    try:
        import ray
        import ray.data
    except ImportError as error:
        expected = 'many scans need Ray: pip install "spine-tf[ray]"'
        raise ValueError(f"{expected}. Received: {type(error).__name__}: {error}") from None
    own = not ray.is_initialized()
    if own:
        start_ray(address)
    try:
        total = int(ray.cluster_resources().get("CPU", 0))
        largest = max((int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]), default=0)
        if address is None and workers > total:
            raise ValueError(f"workers must be at most the {total} cores of this machine. Received: workers={workers}")
        yield max(1, min(total // workers, largest))
    finally:
        if own:
            ray.shutdown()


def set_up_ray_data() -> None:
    """Set Ray Data so that it is quiet, and patient with slow scans and workers that die."""
    from ray.data import DataContext

    context = DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    context.max_errored_blocks = -1
    # A few workers may die while they load the model, if others load it.
    context.max_consecutive_actor_init_deaths = MAX_TRIES
    # A slow scan is no error.
    context.execution_no_progress_timeout_s = -1
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    # Its one line is that its progress bar is off.
    logging.getLogger("ray.data._internal.progress").setLevel(logging.ERROR)
