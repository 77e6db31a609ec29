"""Claims a folder for a run, or checks that the run in it can go on."""

from pathlib import Path

from spine_tf.config import Config, differing_fields, to_dict
from spine_tf.support.errors import RunError
from spine_tf.support.files import remove_parts, write_json
from spine_tf.training.checkpoint_files import check_checkpoint, latest_checkpoint, remove_half_written
from spine_tf.training.run_folder import RunFolder


def start_folder(folder: Path, config: Config, resume: bool) -> None:
    """Claim a folder for a run, or check that a resumed run is still the same one.

    What a process that was killed left half-written there is removed.

    Args:
        folder: the run's own.
        config: of the run.
        resume: whether to go on with a run.

    Raises:
        RunError: the folder holds a run and `resume` is off. Or `resume` is on and there is none, or its config differs
            in anything but the number of epochs, or in that where a cosine schedule was made for it, or it has trained
            and has no checkpoint left, or a damaged one.
    """
    run = RunFolder(folder)
    if not resume and run.holds_run:
        raise RunError(f"run must be a new folder, or pass --resume to go on. Received: run={str(folder)!r}")
    if resume:
        _check_resumed(run, config)
    for place in (run.path, run.evaluation, run.untuned.path):
        remove_parts(place)
    remove_half_written(folder)
    write_json(run.config, to_dict(config))


def _check_resumed(run: RunFolder, config: Config) -> None:
    if not run.holds_run:
        raise RunError(f"run must hold a run to resume ({run.config.name}). Received: run={str(run.path)!r}")
    stored = run.read_config()
    changed = [name for name in differing_fields(config, stored) if name != "train.epochs" or stored.train.cosine]
    if changed:
        may = "a cosine schedule is made for its epochs" if stored.train.cosine else "only epochs may change"
        raise RunError(f"a resumed run must keep its config ({may}). Received: changed {changed}")
    checkpoint = latest_checkpoint(run.path)
    if checkpoint is not None:
        check_checkpoint(checkpoint)
        return
    told = [path.name for path in (run.history, run.report) if path.exists()]
    if told:
        expected = "must hold a checkpoint to go on from, or the run is to be started anew in another folder"
        raise RunError(f"{run.checkpoints} {expected}. Received: none, though there is {' and '.join(told)}")
