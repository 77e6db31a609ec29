"""Thousands of scans on Ray Data: workers that each hold the model and do, case by case, what `predict` does.

What is done is on disk, nowhere else: a worker that dies, and a job that is started again, go on from there.
"""

import csv
import io
import json
import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from spine_tf.inference.many_scans_input import Scan
from spine_tf.inference.many_scans_worker import MAX_TRIES, REFUSED, STARTED, Segmenter
from spine_tf.inference.one_scan import output_paths
from spine_tf.inference.predict import Outcome, is_done
from spine_tf.support.files import remove_parts, write_text
from spine_tf.support.progress import progress_bar, say

MAX_BLOCKS = 10_000
"""Ray needs some 20 ms for each block of cases: one case a block up to here, more of them from here on."""

RESULTS, FAILURES = "results.csv", "failures.csv"

# Names of files and sentences pass through it, no voxels.
_OBJECT_STORE_BYTES = 256 * 2**20
# Ray waits 30 s for its own processes, and they need longer on a machine that is busy.
_START_TRIES = 3


def segment_many(
    scans: Sequence[Scan],
    model: str | Path,
    output: Path,
    *,
    workers: int = 1,
    cpus_per_worker: int | None = None,
    gpus_per_worker: float = 0.0,
    address: str | None = None,
    overwrite: bool = False,
    **options,
) -> list[Outcome]:
    """Segment every scan, each by one of `workers` processes; then write results.csv and failures.csv.

    A case ends once, as done, skipped (done before) or failed. When a worker dies Ray starts another one, and its case
    is tried again, `MAX_TRIES` times in all. A job that was stopped leaves what is done; the same call goes on.

    Args:
        model: as `load_engine` takes it.
        output: on a cluster a folder that all machines see under this path, as they see the scans.
        cpus_per_worker: cores and threads of each; None: the cores there are, shared out evenly.
        gpus_per_worker: 0: on the CPU; 0.5: two workers share a GPU.
        address: of a running Ray cluster ("auto", "ray://host:10001"); None: Ray is started here, and ended.
        options: those of `predict_case`.

    Returns:
        an outcome for each scan, in their order.

    Raises:
        ValueError: Ray is not installed, does not start or does not answer; too many workers for this machine; or a
            model that the workers cannot load.
    """
    if workers < 1:
        raise ValueError(f"workers must be at least 1. Received: workers={workers}")
    # A worker may have another working directory.
    output = Path(output).resolve()
    model = str(Path(model).resolve()) if Path(model).exists() else str(model)
    done = set() if overwrite else {s.case for s in scans if is_done(output, s.case, options.get("format"))}
    todo = [Scan(scan.case, scan.path.absolute()) for scan in scans if scan.case not in done]
    outcomes = {case: Outcome(case, "skipped", "done before; --overwrite does it again") for case in done}
    if todo:
        with _tidy(output), _ray(address, workers) as cpus:
            settings = {
                "model": model,
                "output": str(output),
                "threads": cpus_per_worker or cpus,
                "device": "gpu" if gpus_per_worker else "cpu",
                "overwrite": overwrite,
                "options": options,
            }
            work = _answers_through_client if (address or "").startswith("ray://") else _answers
            bar = progress_bar(work(todo, settings, workers, gpus_per_worker), total=len(todo), unit="scan")
            for outcome in bar:
                if outcome.status == REFUSED:
                    raise ValueError(outcome.detail)
                outcomes[outcome.case] = outcome
                if outcome.status == "failed":
                    say(f"failed   {outcome.case}: {outcome.detail}")
    lost = "Ray gave no answer for it; see its log"
    ended = [outcomes.get(scan.case, Outcome(scan.case, "failed", lost)) for scan in scans]
    _write_tables(output, scans, ended)
    return ended


def start_ray(address: str | None = None, num_cpus: int | None = None) -> None:
    """Join the Ray cluster at an address, or start Ray here: quiet, small, and without telling its makers.

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


def _answers(scans: Sequence[Scan], settings: dict, workers: int, gpus: float) -> Iterator[Outcome]:
    import ray.data

    _set_up()
    # A worker that dies is Ray Data's to replace, its block to be done again, without end: MAX_TRIES is what ends it.
    items = [{"case": scan.case, "path": str(scan.path)} for scan in scans]
    answers = ray.data.from_items(items, override_num_blocks=min(len(items), MAX_BLOCKS)).map_batches(
        Segmenter,
        fn_constructor_args=(settings,),
        batch_size=1,
        # One at a time: a second one in a worker's queue would wait while another worker has nothing to do.
        compute=ray.data.ActorPoolStrategy(size=min(workers, len(items)), max_tasks_in_flight_per_actor=1),
        num_cpus=settings["threads"],
        num_gpus=gpus or None,
    )
    for batch in answers.iter_batches(batch_size=None, prefetch_batches=0, batch_format="numpy"):
        for case, status, detail in zip(batch["case"], batch["status"], batch["detail"], strict=True):
            yield Outcome(str(case), str(status), str(detail))


class _Answers:
    """`_answers`, one at a call, in a process of the cluster."""

    def __init__(self, *args):
        self.answers = _answers(*args)

    def next(self) -> Outcome | None:
        return next(self.answers, None)


def _answers_through_client(*args) -> Iterator[Outcome]:
    import ray

    # Ray Data 2.60 does not run in a process that is a client (AttributeError: 'core_worker'), but in the cluster's.
    there = ray.remote(num_cpus=0)(_Answers).remote(*args)
    while (outcome := ray.get(there.next.remote())) is not None:
        yield outcome


@contextmanager
def _ray(address: str | None, workers: int) -> Iterator[int]:
    """Ray, started or joined, and ended if it was not there before; gives the cores that each worker can have."""
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


@contextmanager
def _tidy(output: Path) -> Iterator[None]:
    """Before and after a job: away with what killed ones, its own workers among them, left half-written."""

    def remove():
        shutil.rmtree(output / STARTED, ignore_errors=True)
        remove_parts(output)

    remove()
    try:
        yield
    finally:
        remove()


def _set_up() -> None:
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


def _write_tables(output: Path, scans: Sequence[Scan], outcomes: Sequence[Outcome]) -> None:
    rows = [("case", "status", "ml", "seconds", "warnings")]
    for one in outcomes:
        report = {} if one.status == "failed" else json.loads(output_paths(output, one.case)["report"].read_text())
        facts = (report.get("mask_ml", ""), report.get("total_seconds", ""), "; ".join(report.get("warnings", ())))
        rows.append((one.case, one.status, *facts))
    failed = [(s.case, s.path, one.detail) for s, one in zip(scans, outcomes, strict=True) if one.status == "failed"]
    for name, table in ((RESULTS, rows), (FAILURES, [("case", "path", "reason"), *failed])):
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(table)
        write_text(output / name, text.getvalue())
