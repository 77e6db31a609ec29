"""Runs cells: trains and scores those that are missing, and leaves alone what is done."""

import multiprocessing
import shutil
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from spine_tf.config import Config, differing_fields
from spine_tf.support.environment import describe_environment
from spine_tf.support.errors import RunError
from spine_tf.support.files import write_json
from spine_tf.support.processes import end_when_parent_ends
from spine_tf.training.evaluate import evaluate_run
from spine_tf.training.run import ensure_trained
from spine_tf.training.run_folder import RunFolder

OTHER_SETTINGS = "runs must hold runs of the settings asked for; name another folder or delete what is there"
CHECKPOINT_SECONDS = 300.0
"""Between two checkpoints: writing one of EfficientNetB7 (0.9 GB) takes some 8 seconds, a step of 64 pixels 2."""


def check_same(folder: Path, config: Config) -> None:
    """Refuse a folder whose run was made with other settings: its results would stand in the wrong row.

    Raises:
        RunError: the stored config differs in more than where decoded cases are kept.
    """
    run = RunFolder(folder)
    if not run.holds_run:
        return
    changed = [name for name in differing_fields(config, run.read_config()) if name != "data.cache"]
    if changed:
        raise RunError(f"{OTHER_SETTINGS}. Received: {str(folder)!r} with other {changed}")


def in_own_process(function: Callable, *arguments) -> None:
    """Call a function of a module in a process of its own, and wait for it.

    TensorFlow registers the gradient of every swish for good, and each holds its network's whole graph: nineteen runs
    of preset `tiny` in one process came to 13 GB. What a run left is gone with its process.

    Raises:
        RunError: the process died. What the function raised, is raised here.
    """
    # A forked child of a process that runs TensorFlow may hang on its locks.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn, end_when_parent_ends) as pool:
        try:
            pool.submit(function, *arguments).result()
        except BrokenProcessPool as error:
            expected = "the process of a run must live to its end; killed for want of memory? The same command goes on"
            raise RunError(f"{expected}. Received: no end of {function.__name__}") from error


def run_cell(config: Config, folder: Path, data_root: Path) -> bool:
    """Train and score one run; what is done is not done again, what was interrupted goes on.

    A finished run keeps its best model, not the checkpoints, which hold the optimizer's state too and are four times
    as large.

    Args:
        config: as `cells.cell_config` makes it.
        folder: the run's own.
        data_root: where the embedded default keeps phantoms and sample CTs.

    Returns:
        whether anything was done.

    Raises:
        RunError: the folder holds a run of other settings; or as `train_run` and `in_own_process`.
    """
    check_same(folder, config)
    if RunFolder(folder).evaluated:
        return False
    in_own_process(_train_and_score, config, folder, data_root)
    return True


def _train_and_score(config: Config, folder: Path, data_root: Path) -> None:
    ensure_trained(config, folder, data_root, checkpoint_seconds=CHECKPOINT_SECONDS)
    shutil.rmtree(RunFolder(folder).checkpoints, ignore_errors=True)
    evaluate_run(folder)


def write_facts(folder: Path, **facts) -> None:
    """Write facts.json beside the scores of several runs: their settings, versions and hardware."""
    write_json(Path(folder) / "facts.json", facts | {"environment": describe_environment()})
