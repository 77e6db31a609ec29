"""Stores the settings of a pruned run, and derives from them how its network is fine-tuned."""

import dataclasses
import json
from dataclasses import replace
from pathlib import Path

from spine_tf.config import Config, PruneSettings, config_from_dict, spec_from_dict, to_dict
from spine_tf.support.errors import RunError
from spine_tf.support.files import write_json

SETTINGS = "prune.json"
"""In a pruned run's folder: its `PruneSettings`."""
SOURCE_FILES = ("config.json", "split.json", "best.keras", "metadata.json")


def source_config(source: Path) -> Config:
    """The config of the run in the folder `source`.

    Raises:
        RunError: the folder is not that of a trained run.
    """
    missing = [name for name in SOURCE_FILES if not (Path(source) / name).is_file()]
    if missing:
        raise RunError(f"source must be the folder of a trained run. Received: source={str(source)!r}, no {missing}")
    return config_from_dict(json.loads((Path(source) / "config.json").read_text()))


def tuning_config(config: Config, settings: PruneSettings) -> Config:
    """The config of fine-tuning: the source's, but for epochs, learning rate, loss, seed and cache.

    The seed is another one than the source's, so that fine-tuning does not see the triplets again that the source's
    training began with. Cases that the source's run has decoded are not decoded again.
    """
    seed = config.train.seed + 1 + settings.seed
    rate = config.train.learning_rate * settings.learning_rate_factor
    train = replace(config.train, epochs=settings.epochs, learning_rate=rate, loss=settings.loss, seed=seed)
    data = replace(config.data, cache=config.data.cache or settings.source / "cache")
    return replace(config, data=data, train=train)


def read_settings(folder: Path) -> PruneSettings:
    """The settings of the pruned run in `folder`.

    Raises:
        RunError: there is none.
    """
    path = Path(folder) / SETTINGS
    if not path.is_file():
        raise RunError(f"run must be the folder of a pruned run ({SETTINGS}). Received: run={str(folder)!r}")
    return spec_from_dict(PruneSettings, json.loads(path.read_text()))


def write_settings(folder: Path, settings: PruneSettings) -> None:
    """Write `prune.json`."""
    write_json(Path(folder) / SETTINGS, to_dict(settings))


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
