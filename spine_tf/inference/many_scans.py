"""Segments thousands of scans on Ray Data: each worker holds the model and does, case by case, what `predict` does.

What is done is on disk, nowhere else: a worker that dies, and a job that is started again, go on from there.
"""

import csv
import io
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from spine_tf.inference.many_scans_input import Scan
from spine_tf.inference.many_scans_ray import ray_for, set_up_ray_data
from spine_tf.inference.many_scans_worker import REFUSED, STARTED, Segmenter
from spine_tf.inference.outputs import find_conflicts, prepare_output, read_report
from spine_tf.inference.predict import Outcome
from spine_tf.support.errors import OutputError
from spine_tf.support.files import remove_parts, write_text
from spine_tf.support.progress import progress_bar, say

MAX_BLOCKS = 10_000
"""Ray needs some 20 ms for each block of cases: one case a block up to here, more of them from here on."""

RESULTS, FAILURES = "results.csv", "failures.csv"
_RESULT_COLUMNS = ("case", "status", "ml", "seconds", "warnings")
_FAILURE_COLUMNS = ("case", "path", "reason")


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
    is tried again, `many_scans_worker.MAX_TRIES` times in all. A job that was stopped leaves what is done; the same
    call goes on.

    Args:
        scans: as `find_scans` gives them; the same one given twice is done once.
        model: as `load_engine` takes it.
        output: folder that gets the files; on a cluster one that all machines see under this path, as the scans.
        workers: processes that segment at the same time.
        cpus_per_worker: cores and threads of each; None: the cores there are, shared out evenly.
        gpus_per_worker: 0: on the CPU; 0.5: two workers share a GPU.
        address: of a running Ray cluster ("auto", "ray://host:10001"); None: Ray is started here, and ended.
        overwrite: do cases again that are done.
        options: those of `predict_case`.

    Returns:
        an outcome for each scan, in their order.

    Raises:
        ValueError: Ray is not installed, does not start or does not answer; too many workers for this machine; or a
            model that the workers cannot load; or no scans.
        OutputError: the folder cannot be made, or has a table of that name that is not ours.

    Example:
        >>> scans = [Scan("a", Path("a.nii.gz"))]
        >>> [one.status for one in segment_many(scans, SHIPPED, Path("out"), workers=2)]  # doctest: +SKIP
        ['done']
        >>> segment_many([], "model.keras", Path("out"))
        Traceback (most recent call last):
        ValueError: scans must be at least one. Received: none
    """
    if workers < 1:
        raise ValueError(f"workers must be at least 1. Received: workers={workers}")
    if not scans:
        raise ValueError("scans must be at least one. Received: none")
    # A worker may have another working directory.
    output = Path(output).resolve()
    model = str(Path(model).resolve()) if Path(model).exists() else str(model)
    prepare_output(output, ())
    _check_tables(output)
    conflicts = find_conflicts([scan.path for scan in scans], [scan.case for scan in scans], output)
    # The same scan given twice is done once.
    todo = {
        scan.case: Scan(scan.case, scan.path.absolute())
        for scan, conflict in zip(scans, conflicts, strict=True)
        if not conflict
    }
    outcomes = {}
    if todo:
        with _tidy(output), ray_for(address, workers) as cpus:
            settings = {
                "model": model,
                "output": str(output),
                "threads": cpus_per_worker or cpus,
                "device": "gpu" if gpus_per_worker else "cpu",
                "overwrite": overwrite,
                "options": options,
            }
            work = _answers_through_client if (address or "").startswith("ray://") else _answers
            answers = work(list(todo.values()), settings, workers, gpus_per_worker)
            for outcome in progress_bar(answers, total=len(todo), unit="scan"):
                if outcome.status == REFUSED:
                    raise ValueError(outcome.detail)
                outcomes[outcome.case] = outcome
                if outcome.status == "failed":
                    say(f"failed   {outcome.case}: {outcome.detail}")
    lost = "Ray gave no answer for it; see its log"
    ended = [
        Outcome(scan.case, "failed", f"{scan.path.name}: {conflict}")
        if conflict
        else outcomes.get(scan.case, Outcome(scan.case, "failed", lost))
        for scan, conflict in zip(scans, conflicts, strict=True)
    ]
    _write_tables(output, scans, ended)
    return ended


def _answers(scans: Sequence[Scan], settings: dict, workers: int, gpus: float) -> Iterator[Outcome]:
    import ray.data

    set_up_ray_data()
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


def _check_tables(output: Path) -> None:
    """Refuse to replace a table that is not one of an earlier job.

    Raises:
        OutputError: a file of that name has another first line.
    """
    for name, columns in ((RESULTS, _RESULT_COLUMNS), (FAILURES, _FAILURE_COLUMNS)):
        try:
            with open(output / name, encoding="utf-8", errors="replace") as file:
                first = file.readline(200)
        except FileNotFoundError:
            continue
        except OSError as error:
            first = str(error.strerror)
        if first.rstrip("\n") != ",".join(columns):
            expected = f"{name} must be free, or a table of an earlier job"
            raise OutputError(f"{expected}: no other file is replaced. Received: {first.strip()[:80]!r}")


def _write_tables(output: Path, scans: Sequence[Scan], outcomes: Sequence[Outcome]) -> None:
    rows, failed = [_RESULT_COLUMNS], [_FAILURE_COLUMNS]
    for scan, one in zip(scans, outcomes, strict=True):
        if one.status == "failed":
            failed.append((scan.case, scan.path, one.detail))
        # A report that stands under the name of a failed case is of an earlier scan or job.
        report = (read_report(output, one.case) or {}) if one.status != "failed" else {}
        facts = (report.get("mask_ml", ""), report.get("total_seconds", ""), "; ".join(report.get("warnings", ())))
        rows.append((one.case, one.status, *facts))
    for name, table in ((RESULTS, rows), (FAILURES, failed)):
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(table)
        write_text(output / name, text.getvalue())
