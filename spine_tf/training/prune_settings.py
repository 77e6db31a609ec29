"""The choices of a pruned run: which model, which filters go, how the rest is fine-tuned. Without TensorFlow.

A field is a flag of scripts/prune.py, its docstring the flag's help.
"""

import dataclasses
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from spine_tf.config import Config, config_from_dict, require, spec_from_dict, to_dict
from spine_tf.support.files import write_json

SETTINGS = "prune.json"
"""In a pruned run's folder: its `PruneSettings`."""
SOURCE_FILES = ("config.json", "split.json", "best.keras", "metadata.json")


@dataclass(frozen=True)
class PruneSettings:
    """One pruned run. Source: paper, "A gradient sensitivity based network pruning", Steps 2 to 5."""

    source: Path = Path("runs/train")
    """The folder of a trained run, or of a pruned one, which is pruned further."""
    amount: float = 0.5
    """Share of the prunable filters to remove (paper, Step 3: "the pruning amount p"; it gives no value)."""
    criterion: Literal["gradient", "magnitude", "taylor", "random"] = "gradient"
    """How filters are scored; `gradient` is the paper's (Step 2)."""
    scope: Literal["global", "layer"] = "global"
    """One threshold for all filters, or the same share of every layer; the paper does not say which."""
    multiple_of: int = 1
    """What a layer keeps is a multiple of this, for fast kernels."""
    calibration_batches: int = 16
    """Training batches over which filters are scored."""
    epochs: int = 10
    """Of fine-tuning (paper, Step 4, gives no number)."""
    learning_rate_factor: float = 0.1
    """Fine-tuning's learning rate, as a factor of the source's (paper, Step 4: "a reduced learning rate")."""
    loss: Literal["bce", "bce_dice"] = "bce"
    """Of fine-tuning, before the penalty; `bce` is the paper's (Step 4). Filters are scored with the source's loss."""
    penalty: Literal["l2", "l1"] = "l2"
    """R(W) of the convolution kernels, added to the loss; the paper (Step 4) leaves open which one."""
    penalty_weight: float = 1e-4
    """lambda, the factor of R(W); 0 switches it off."""
    control: bool = False
    """Prune nothing: train the source's network for the same further steps with the same settings, to compare with."""
    seed: int = 0
    """Of the calibration's and fine-tuning's triplets, and of the criterion `random`."""

    def __post_init__(self):
        require(0 <= self.amount < 1, "amount", "in [0, 1)", self.amount)
        for name in ("multiple_of", "calibration_batches", "epochs", "learning_rate_factor"):
            require(getattr(self, name) > 0, name, "positive", getattr(self, name))
        for name in ("penalty_weight", "seed"):
            require(getattr(self, name) >= 0, name, "at least 0", getattr(self, name))


def source_config(source: Path) -> Config:
    """The config of the run in the folder `source`.

    Raises:
        ValueError: the folder is not that of a trained run.
    """
    missing = [name for name in SOURCE_FILES if not (Path(source) / name).is_file()]
    if missing:
        raise ValueError(f"source must be the folder of a trained run. Received: source={str(source)!r}, no {missing}")
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
        ValueError: there is none.
    """
    path = Path(folder) / SETTINGS
    require(path.is_file(), "run", f"the folder of a pruned run ({SETTINGS})", str(folder))
    return spec_from_dict(PruneSettings, json.loads(path.read_text()))


def write_settings(folder: Path, settings: PruneSettings) -> None:
    """Write `prune.json`."""
    write_json(Path(folder) / SETTINGS, to_dict(settings))


def check_resumed(folder: Path, settings: PruneSettings) -> None:
    """Refuse to go on with a run under other settings; only the number of epochs may change.

    Raises:
        ValueError: the folder holds no pruned run, or one with other settings.
    """
    stored = read_settings(folder)
    changed = [
        field.name
        for field in dataclasses.fields(PruneSettings)
        if field.name != "epochs" and getattr(stored, field.name) != getattr(settings, field.name)
    ]
    if changed:
        raise ValueError(f"a resumed run must keep its settings (only epochs may change). Received: changed {changed}")
