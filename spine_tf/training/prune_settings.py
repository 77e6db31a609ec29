"""Stores the settings of a pruned run, and derives from them how its network is fine-tuned."""

import dataclasses
from pathlib import Path

from spine_tf.config import Config, PruneSettings, spec_from_dict, to_dict, with_changes
from spine_tf.support.errors import RunError
from spine_tf.support.files import write_json
from spine_tf.support.json_reading import blaming, read_json
from spine_tf.training.run_folder import RunFolder


def source_config(source: Path) -> Config:
    """Read the config of the run in the folder `source`.

    Raises:
        RunError: the folder is not that of a trained run.
    """
    run = RunFolder(source)
    missing = [path.name for path in (run.config, run.split, run.network, run.metadata) if not path.is_file()]
    if missing:
        raise RunError(f"source must be the folder of a trained run. Received: source={str(source)!r}, no {missing}")
    return run.read_config()


def tuning_config(config: Config, settings: PruneSettings) -> Config:
    """Make the config of fine-tuning: the source's, but for epochs, learning rate, loss, seed and cache.

    The seed is another one than the source's, so that fine-tuning does not see the triplets again that the source's
    training began with. Cases that the source's run has decoded are not decoded again.
    """
    seed = config.train.seed + 1 + settings.seed
    rate = config.train.learning_rate * settings.learning_rate_factor
    return with_changes(
        config,
        data={"cache": config.data.cache or RunFolder(settings.source).cache},
        train={"epochs": settings.epochs, "learning_rate": rate, "loss": settings.loss, "seed": seed},
    )


def read_settings(folder: Path) -> PruneSettings:
    """Read the settings of the pruned run in `folder`.

    Raises:
        RunError: there is none, or a damaged one.
    """
    path = RunFolder(folder).prune_settings
    if not path.is_file():
        raise RunError(f"run must be the folder of a pruned run ({path.name}). Received: run={str(folder)!r}")
    values = read_json(path)
    with blaming(path, RunError):
        return spec_from_dict(PruneSettings, values)


def write_settings(folder: Path, settings: PruneSettings) -> None:
    """Write `prune.json`."""
    write_json(RunFolder(folder).prune_settings, to_dict(settings))


def check_resumed(folder: Path, settings: PruneSettings) -> None:
    """Refuse to go on with a run under other settings; only the number of epochs may change.

    Raises:
        RunError: the folder holds no pruned run, or one with other settings.
    """
    stored = read_settings(folder)
    changed = [
        field.name
        for field in dataclasses.fields(PruneSettings)
        if field.name != "epochs" and getattr(stored, field.name) != getattr(settings, field.name)
    ]
    if changed:
        raise RunError(f"a resumed run must keep its settings (only epochs may change). Received: changed {changed}")
