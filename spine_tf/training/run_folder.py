"""Names the files of a run's folder, so that each name stands once."""

import json
from dataclasses import dataclass
from pathlib import Path

from spine_tf.config import Config, config_from_dict
from spine_tf.inference.engines.model_files import METADATA, RUN_NETWORK
from spine_tf.scoring.table import SCORES_JSON

CURVES, EVALUATION_REPORT = "curves.png", "evaluation.json"
"""Written by `evaluate.evaluate_run`, the report last."""


@dataclass(frozen=True)
class RunFolder:
    """Where each file of a run lies, whether it is there yet or not.

    Example:
        >>> RunFolder("runs/paper").report
        PosixPath('runs/paper/report.json')
    """

    path: Path

    def __post_init__(self):
        object.__setattr__(self, "path", Path(self.path))

    @property
    def config(self) -> Path:
        """The run's `Config`; the first file that is written."""
        return self.path / "config.json"

    @property
    def split(self) -> Path:
        """The cases by role, as `data.splits` reads and writes them."""
        return self.path / "split.json"

    @property
    def pretrained(self) -> Path:
        """What the network started from (`models.pretrained.load_pretrained`)."""
        return self.path / "pretrained.json"

    @property
    def network(self) -> Path:
        """The network of the best epoch."""
        return self.path / RUN_NETWORK

    @property
    def metadata(self) -> Path:
        """What prediction reads beside the network."""
        return self.path / METADATA

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints, from which a stopped run goes on (`checkpoint.Checkpoint`)."""
        return self.path / "checkpoints"

    @property
    def history(self) -> Path:
        """The logged values of every epoch, as CSV."""
        return self.path / "history.csv"

    @property
    def curves(self) -> Path:
        """The history as a picture."""
        return self.path / CURVES

    @property
    def tensorboard(self) -> Path:
        """The folder of TensorBoard's logs."""
        return self.path / "tensorboard"

    @property
    def report(self) -> Path:
        """What training took and gave; the last file that it writes."""
        return self.path / "report.json"

    @property
    def cache(self) -> Path:
        """The folder of decoded cases, where `DataConfig.cache` names none."""
        return self.path / "cache"

    @property
    def synthetic(self) -> Path:
        """The folder of synthetic scans, as long as the run trains on them."""
        return self.path / "fresh"

    @property
    def evaluation(self) -> Path:
        """The folder of scores, masks and pictures of the held-out cases."""
        return self.path / "evaluation"

    @property
    def scores(self) -> Path:
        """The scores of the held-out cases."""
        return self.evaluation / SCORES_JSON

    @property
    def prune_settings(self) -> Path:
        """The `PruneSettings` of a pruned run."""
        return self.path / "prune.json"

    @property
    def untuned(self) -> "RunFolder":
        """The folder of a pruned run's network before fine-tuning, with its metadata and `removed`."""
        return RunFolder(self.path / "untuned")

    @property
    def removed(self) -> Path:
        """Which filters were removed, in `untuned` alone; the last file that is written there."""
        return self.path / "pruning.json"

    @property
    def verdict(self) -> Path:
        """What pruning has cost and gained, as Markdown."""
        return self.path / "verdict.md"

    @property
    def kept_table(self) -> Path:
        """The filters that each layer of a pruned network keeps, as CSV."""
        return self.path / "layers.csv"

    @property
    def kept_picture(self) -> Path:
        """The filters that each layer of a pruned network keeps, as a picture."""
        return self.path / "kept.png"

    @property
    def holds_run(self) -> bool:
        """Whether a run was started here."""
        return self.config.exists()

    @property
    def finished(self) -> bool:
        """Whether training has ended."""
        return self.report.is_file()

    @property
    def evaluated(self) -> bool:
        """Whether training has ended and the held-out cases are scored."""
        return self.finished and (self.evaluation / EVALUATION_REPORT).is_file()

    def of_worker(self, number: int) -> "RunFolder":
        """The folder of what a worker decodes and makes for itself: the run's own for the chief, number 0."""
        return RunFolder(self.path / f"worker-{number}") if number else self

    def read_config(self) -> Config:
        """Read the config that the run was started with."""
        return config_from_dict(json.loads(self.config.read_text()))

    def read_report(self) -> dict:
        """Read the report of a finished run."""
        return json.loads(self.report.read_text())
