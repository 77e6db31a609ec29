"""Many scans on Ray Data: actors hold the model, each case ends exactly once, on one machine or on a cluster.

Whatever happens to a worker, the next start finds on disk what is done: files appear whole, a case's report last.
"""

import csv
import io
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from spine_tf.files import write_text
from spine_tf.predict import SUFFIXES, Outcome, case_name, predict_cases

TRIES = 3
"""How often a case may take its worker with it (out of memory, a crash in native code) until it counts as failed."""

RESULTS, FAILURES, STARTED = "results.csv", "failures.csv", ".started"
COLUMNS = ("case", "status", "detail", "path")
REFUSED = "refused"
"""Status of a case whose worker has no model to run."""
NOT_SCANS = ("_msk", "_seg-", "_prob")
"""In the names of VerSe's masks, and of what predictions write."""


class RayMissing(ImportError):
    """Ray is not installed."""


def find_scans(source: Path) -> list[Path]:
    """The scans of a folder, or those that a CSV lists.

    Args:
        source: a folder, searched for NIfTI files whose names are not those of masks, and for folders with a DICOM
            series; or a CSV with a column `path`, relative to the CSV.

    Raises:
        ValueError: neither, no scans, one that is not there, or two that would write the same files.
    """
    source = Path(source)
    if source.is_dir():
        scans = list(_below(source))
    elif source.suffix == ".csv" and source.is_file():
        scans = _listed(source)
    else:
        raise ValueError(f"input must be a folder or a CSV file. Received: {str(source)!r}")
    if not scans:
        raise ValueError(f"input must hold scans. Received: none in {str(source)!r}")
    places: dict[str, list[str]] = {}
    for scan in scans:
        places.setdefault(case_name(scan), []).append(str(scan))
    twice = next((found for found in places.values() if len(found) > 1), None)
    if twice:
        raise ValueError(f"scans must have different case names. Received: {twice}")
    return scans


def predict_many(
    scans: Sequence[Path],
    model: str | Path,
    output: Path,
    *,
    workers: int = 1,
    threads: int | None = None,
    gpus_per_worker: float = 0.0,
    address: str | None = None,
    overwrite: bool = False,
    **options,
) -> list[Outcome]:
    """Segment scans on Ray, each as `predict.predict_cases` does, and write results.csv and failures.csv.

    A case that is done is skipped. One whose worker dies is done again, by another, up to `TRIES` times.

    Args:
        scans: of `find_scans`.
        model: as `engines.load_engine` takes it; on a cluster every machine must find it there.
        output: folder for the results; on a cluster, storage that all machines see.
        workers: actors, each with a model of its own.
        threads: CPU threads of a worker, which Ray counts as CPUs; None: the machine's, shared out.
        gpus_per_worker: of Ray's GPUs; 0: on the CPU.
        address: of a Ray cluster ("auto", "ray://..."); None: this machine alone, or Ray where it was started already.
        options: of `predict.predict_case`.

    Returns:
        what became of each scan, in their order.

    Raises:
        RayMissing: Ray is not installed.
        ValueError: fewer than one worker, or as `engines.load_engine` and `device.use_device`.
    """
    if workers < 1:
        raise ValueError(f"workers must be at least 1. Received: workers={workers}")
    # Ray tells its makers about each cluster unless it is told not to.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise RayMissing('Ray is needed: pip install "spine-tf[ray]"') from error
    output = Path(output).resolve()
    threads = threads or max(1, (os.cpu_count() or 1) // workers)
    if not ray.is_initialized():
        ray.init(address, include_dashboard=False, log_to_driver=False, logging_level="warning")
    # Ray's own bars and lines tell of blocks and operators; ours counts scans.
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    asked = [{"number": number, "path": str(Path(scan).resolve())} for number, scan in enumerate(scans)]
    # A block each: a worker that dies takes one case with it. Ray Data starts it again, and its case, without end.
    results = ray.data.from_items(asked, override_num_blocks=len(asked)).map_batches(
        Segmenter,
        fn_constructor_args=(str(model), str(output), threads, gpus_per_worker > 0, overwrite, options),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=1),
        num_cpus=None if gpus_per_worker else threads,
        num_gpus=gpus_per_worker or None,
    )
    outcomes: dict[int, Outcome] = {}
    for row in tqdm(results.iter_rows(), total=len(asked), desc="segmenting", unit="scan"):
        if row["status"] == REFUSED:
            raise ValueError(row["detail"])
        outcomes[int(row["number"])] = Outcome(row["case"], row["status"], row["detail"])
    ended = [outcomes[number] for number in range(len(asked))]
    _write_tables(output, ended, scans)
    return ended


class Segmenter:
    """What an actor runs: a model loaded once, then case after case. Arguments as in `predict_many`."""

    def __init__(self, model: str, output: str, threads: int, gpu: bool, overwrite: bool, options: dict):
        from spine_tf.device import use_device
        from spine_tf.engines import load_engine, runs_here_on_tensorflow

        self.output, self.overwrite, self.options = Path(output), overwrite, options
        self.engine, self.refused = None, ""
        try:
            if runs_here_on_tensorflow(model):
                use_device("gpu" if gpu else "cpu", threads)
            self.engine = load_engine(model, options.get("batch_size", 8), threads)
        except ValueError as error:
            # Told with the first case: an actor that cannot be made would be made again, with a traceback each time.
            self.refused = str(error)

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """One case: columns number and path in, number, case, status and detail out, each of length 1."""
        path = Path(str(batch["path"][0]))
        with _Started(self.output / STARTED / case_name(path)) as times:
            if self.engine is None:
                outcome = Outcome(case_name(path), REFUSED, self.refused)
            elif times > TRIES:
                outcome = Outcome(case_name(path), "failed", f"its worker died each time, {TRIES} times")
            else:
                (outcome,) = predict_cases(
                    [path], self.engine, self.output, overwrite=self.overwrite, progress=False, **self.options
                )
        told = {"case": outcome.case, "status": outcome.status, "detail": outcome.detail}
        return {"number": batch["number"], **{name: np.array([value]) for name, value in told.items()}}


class _Started:
    """A file with a byte for each start of a case, gone when the case has ended; entering it gives their number."""

    def __init__(self, path: Path):
        self.path = path

    def __enter__(self) -> int:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as file:
            file.write(b".")
        return self.path.stat().st_size

    def __exit__(self, *_) -> None:
        self.path.unlink(missing_ok=True)


def _below(folder: Path) -> Iterator[Path]:
    """NIfTI files that are no masks, and folders with a DICOM series, sorted; hidden ones are passed over."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        files = sorted(name for name in files if not name.startswith("."))
        for name in files:
            if name.endswith(SUFFIXES) and not any(part in name for part in NOT_SCANS):
                yield Path(place) / name
        if any(_is_dicom(Path(place) / name) for name in files[:1]):
            yield Path(place)


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _listed(path: Path) -> list[Path]:
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    if rows and "path" not in rows[0]:
        raise ValueError(f"the CSV must have a column path. Received: {path}: columns {sorted(rows[0])}")
    scans = [path.parent / row["path"] for row in rows]
    absent = [str(scan) for scan in scans if not scan.exists()]
    if absent:
        raise ValueError(f"every path of the CSV must be there. Received: {path}: not there {absent[:5]}")
    return scans


def _write_tables(output: Path, outcomes: Sequence[Outcome], scans: Sequence[Path]) -> None:
    """results.csv, a row for each scan, and failures.csv, of those that failed alone."""
    rows = [(one.case, one.status, one.detail, str(scan)) for one, scan in zip(outcomes, scans, strict=True)]
    for name, wanted in ((RESULTS, rows), (FAILURES, [row for row in rows if row[1] == "failed"])):
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([COLUMNS, *wanted])
        write_text(output / name, text.getvalue())
