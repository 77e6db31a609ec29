"""Checks how a machine trains: every way of training for a few steps, then the speed of the presets, as one table.

A first user of a GPU runs this before a long training, and sends the table. Each trial has a process of its own: one
that dies, or hangs, is a row.
"""

import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path

from spine_tf.config import TrainConfig
from spine_tf.experiments.gpu_trials import Trial, describe_machine, make_trials, outcome
from spine_tf.support.device import cores
from spine_tf.support.files import write_bytes, write_json
from spine_tf.support.processes import end_when_parent_ends
from spine_tf.support.progress import say
from spine_tf.support.tables import Table, markdown_table, plain_table

TRIAL_SECONDS = 240.0
"""A trial that takes longer counts as one that hangs. Without a GPU it has four times as long."""
TIMED_STEPS = 10
TIMED = "mixed_float16"
"""Precision in which the presets are timed: what a long training on a GPU would use."""
NOT_RUN = {"result": "not run", "error": "no time left; --max-minutes gives more"}


def check_machine(
    preset: str = "tiny",
    presets: Sequence[str] | None = None,
    max_minutes: float = 8.0,
    only: str = "",
) -> dict:
    """Try every way of training, and time the presets.

    Args:
        preset: of the network that every way of training is tried with.
        presets: those that are timed; None: `small` and `paper` where there is a GPU, none on a CPU.
        max_minutes: trials that have not ended by then are not run.
        only: run the trials alone whose names contain this.

    Returns:
        machine (`describe_environment`), minutes, and rows: of each trial its name, preset, result (passed, refused,
        FAILED, not run), error and what `gpu_trials.run_trial` returns.

    Raises:
        TimeoutError: TensorFlow did not load in that time.
        ChildProcessError: it died while it loaded.
    """
    start, end = time.monotonic(), time.monotonic() + 60 * max_minutes
    machine = in_child(describe_machine, (), 60 * max_minutes)
    gpus = len(machine["gpus"])
    presets = (("small", "paper") if gpus else ()) if presets is None else presets
    timed = [Trial(TrainConfig(precision=TIMED), name, TIMED_STEPS) for name in presets]
    timed = [trial for trial in timed if only in trial.name]
    tried = [trial for trial in make_trials(preset, gpus or 2) if only in trial.name]
    run = partial(_run, gpus=gpus, end=end)
    # Nothing runs beside what is timed. Tracing keeps a core or two busy; a small network hardly a GPU.
    rows = [run(trial) for trial in timed]
    with ThreadPoolExecutor(max(1, min(4, cores() // 2))) as pool:
        rows += pool.map(run, tried)
    return {"machine": machine, "minutes": round((time.monotonic() - start) / 60, 1), "rows": rows}


def _run(trial: Trial, gpus: int, end: float) -> dict:
    left = end - time.monotonic()
    facts = {"name": trial.name, "preset": trial.preset, "steps": trial.steps, "train": asdict(trial.train)}
    if left <= 0:
        return facts | NOT_RUN
    most = TRIAL_SECONDS if gpus else 4 * TRIAL_SECONDS
    limit = min(most, left)
    try:
        found = in_child(outcome, (trial, gpus), limit)
    except TimeoutError:
        slow = {"result": "FAILED", "error": f"no end after {limit:.0f} s"}
        found = slow if limit == most else NOT_RUN
    except ChildProcessError as error:
        found = {"result": "FAILED", "error": str(error)}
    say(f"{found['result']:8} {trial.preset}: {trial.name} {found['error']}".rstrip())
    return facts | found


def in_child(function: Callable, arguments: tuple, seconds: float):
    """Call a function of a module in a process of its own that has so long.

    Raises:
        TimeoutError: it had not returned by then, and was ended.
        ChildProcessError: the process died without an answer.
    """
    # A forked child of a process that runs TensorFlow may hang on its locks.
    context = multiprocessing.get_context("spawn")
    answers, sender = context.Pipe(duplex=False)
    child = context.Process(target=_answer, args=(sender, function, arguments))
    child.start()
    sender.close()
    try:
        if not answers.poll(seconds):
            raise TimeoutError(f"no answer after {seconds:.0f} s")
        return answers.recv()
    except EOFError:
        child.join(10)
        raise ChildProcessError(f"the process died, exit code {child.exitcode}") from None
    finally:
        child.kill()
        child.join()


def _answer(sender, function: Callable, arguments: tuple) -> None:
    end_when_parent_ends()
    sender.send(function(*arguments))
    sender.close()


def has_failed(report: dict) -> bool:
    """Tell whether a row of `check_machine`'s report failed."""
    return any(row["result"] == "FAILED" for row in report["rows"])


def as_table(report: dict) -> Table:
    """Make the table of a report: a row a trial."""

    headings = ["preset", "trial", "result", "first step, s", "step, s", "updates", "peak, GiB", "error"]
    names = ("first_step_seconds", "step_seconds", "updates", "memory_gib")
    rows = []
    for row in report["rows"]:
        figures = ("" if row.get(name) is None else f"{row[name]:g}" for name in names)
        rows.append([row["preset"], row["name"], row["result"], *figures, row["error"]])
    return Table(headings, rows, "lllrrrrl")


def title(report: dict) -> str:
    """Name machine and versions, in a line or two."""
    machine = report["machine"]
    versions = ", ".join(f"{name} {machine['versions'][name]}" for name in ("tensorflow", "keras", "numpy"))
    device = f"{len(machine['gpus'])} GPU: {', '.join(machine['gpus'])}" if machine["gpus"] else "no GPU"
    return (
        f"spine_tf {machine['spine_tf']} ({machine['git_commit']}), {versions}, Python {machine['python']}\n"
        f"{device}; {machine['processor']}, {machine['cores']} cores, {machine['system']}; {report['minutes']} minutes"
    )


def write_report(report: dict, folder: Path) -> str:
    """Write gpu_check.json and gpu_check.md to a folder; returns the table as plain text."""
    table = as_table(report)
    write_json(folder / "gpu_check.json", report)
    text = "\n\n".join(["# gpu-check", title(report).replace("\n", "  \n"), markdown_table(table)])
    write_bytes(folder / "gpu_check.md", f"{text}\n".encode())
    return f"{title(report)}\n\n{plain_table(table)}"
