"""Works as a process of Ray's: holds the model, and does case by case what `predict` does.

Who works on a case is written down while it does, so that a case whose worker dies is told from one that nobody began.
"""

import json
import os
import socket
from pathlib import Path

from spine_tf.config import PREDICTION_BATCH
from spine_tf.inference.outputs import output_paths
from spine_tf.inference.predict import Outcome, is_done, predict_cases
from spine_tf.support.errors import SpineError
from spine_tf.support.files import write_json

MAX_TRIES = 3
"""How often a case may take its worker process down before it counts as failed."""

STARTED = ".started"
"""Folder below the output, while a job runs: a file for each case that is at work or was done by this job, or whose
worker died."""

REFUSED = "refused"
"""A status: the worker cannot load the model, for any case."""


class Segmenter:
    """One worker process: loads the model once, then segments case by case.

    A model that it cannot load is told in its answers: raised here, it would be Ray's error of many lines.
    """

    def __init__(self, settings: dict):
        from spine_tf.inference.engines import load_engine, runs_here_on_tensorflow
        from spine_tf.support.device import use_device

        self.output, self.overwrite = Path(settings["output"]), settings["overwrite"]
        self.options, self.refusal = settings["options"], None
        try:
            if runs_here_on_tensorflow(settings["model"]):
                use_device(settings["device"], settings["threads"])
            self.engine = load_engine(
                settings["model"], self.options.get("batch_size", PREDICTION_BATCH), settings["threads"]
            )
        except Exception as error:  # whatever it is, the job cannot go on
            self.refusal = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"

    def __call__(self, batch: dict) -> dict[str, list[str]]:
        """Segment the cases of a batch: {"case", "path"} -> {"case", "status", "detail"}, lists of equal length."""
        pairs = zip(batch["case"], batch["path"], strict=True)
        outcomes = [self._segment(str(case), Path(str(path))) for case, path in pairs]
        return {name: [getattr(one, name) for one in outcomes] for name in ("case", "status", "detail")}

    def _segment(self, case: str, path: Path) -> Outcome:
        if self.refusal is not None:
            return Outcome(case, REFUSED, self.refusal)
        started, report = self.output / STARTED / f"{case}.json", output_paths(self.output, case)["report"]
        try:
            earlier = _read(started)
            written = earlier is not None and _stamp(report) != earlier.get("report")
            if written and is_done(path, self.engine, self.output, case, **self.options):
                return Outcome(case, "done", "done in this job; its worker died before the answer")
            if earlier and earlier["tries"] >= MAX_TRIES:
                # What tells so stays: should this block be done again, the case is not.
                return Outcome(case, "failed", f"{path.name}: its worker process died {MAX_TRIES} times")
            earlier = earlier or {"tries": 0, "report": _stamp(report)}
            at_work = {"tries": earlier["tries"] + 1, "host": socket.gethostname(), "pid": os.getpid()}
            write_json(started, earlier | at_work)
            (outcome,) = predict_cases(
                [path],
                self.engine,
                self.output,
                names=[case],
                overwrite=self.overwrite,
                progress=False,
                **self.options,
            )
            if outcome.status != "done":
                started.unlink()
        except (OSError, SpineError) as error:
            return Outcome(case, "failed", f"{path.name}: {type(error).__name__}: {error}")
        return outcome


def _read(started: Path) -> dict | None:
    try:
        return json.loads(started.read_text())
    except FileNotFoundError:
        return None


def _stamp(report: Path) -> int | None:
    """Tell when a report was written, so that this job's is told from an earlier one."""
    try:
        return report.stat().st_mtime_ns
    except OSError:
        return None
