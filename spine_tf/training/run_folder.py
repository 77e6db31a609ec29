"""Names the files of a run's folder, so that each name stands once."""

from dataclasses import dataclass
from pathlib import Path

from spine_tf.config import Config, config_from_dict
from spine_tf.inference.engines.model_files import METADATA, RUN_NETWORK
from spine_tf.scoring.table import SCORES_JSON
from spine_tf.support.errors import RunError
from spine_tf.support.json_reading import blaming, read_json

CURVES, EVALUATION_REPORT = "curves.png", "evaluation.json"
"""Written by `evaluate.evaluate_run`, the report last."""


class _Entry:
    """Where a file of the folder lies, or a folder in it."""

    def __init__(self, name: str):
        self.name = name

    def __get__(self, run, owner=None) -> Path:
        return self if run is None else run.path / self.name


@dataclass(frozen=True)
class RunFolder:
    """Where each file of a run lies, whether it is there yet or not.

    Args:
        path: the run's folder.

    Example:
        >>> RunFolder("runs/paper").report
        PosixPath('runs/paper/report.json')
    """

    path: Path

    config = _Entry("config.json")
    """The run's `Config`; the first file that is written."""
    split = _Entry("split.json")
    """The cases by role, as `data.splits` reads and writes them."""
    pretrained = _Entry("pretrained.json")
    """What the network started from (`models.pretrained.load_pretrained`)."""
    network = _Entry(RUN_NETWORK)
    """The network of the best epoch."""
    metadata = _Entry(METADATA)
    """What prediction reads beside the network."""
    checkpoints = _Entry("checkpoints")
    """The folder of checkpoints, from which a stopped run goes on (`checkpoint.Checkpoint`)."""
    history = _Entry("history.csv")
    """The logged values of every epoch, as CSV."""
    curves = _Entry(CURVES)
    """The history as a picture."""
    tensorboard = _Entry("tensorboard")
    """The folder of TensorBoard's logs."""
    report = _Entry("report.json")
    """What training took and gave; the last file that it writes."""
    cache = _Entry("cache")
    """The folder of decoded cases, where `DataConfig.cache` names none."""
    synthetic = _Entry("fresh")
    """The folder of synthetic scans, as long as the run trains on them."""
    evaluation = _Entry("evaluation")
    """The folder of scores, masks and pictures of the held-out cases."""
    prune_settings = _Entry("prune.json")
    """The `PruneSettings` of a pruned run."""
    removed = _Entry("pruning.json")
    """Which filters were removed, in `untuned` alone; the last file that is written there."""
    verdict = _Entry("verdict.md")
    """What pruning has cost and gained, as Markdown."""
    kept_table = _Entry("layers.csv")
    """The filters that each layer of a pruned network keeps, as CSV."""
    kept_picture = _Entry("kept.png")
    """The filters that each layer of a pruned network keeps, as a picture."""

    def __post_init__(self):
        object.__setattr__(self, "path", Path(self.path))

    @property
    def scores(self) -> Path:
        """The scores of the held-out cases."""
        return self.evaluation / SCORES_JSON

    @property
    def untuned(self) -> "RunFolder":
        """The folder of a pruned run's network before fine-tuning, with its metadata and `removed`."""
        return RunFolder(self.path / "untuned")

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
        """Read the config that the run was started with.

        Raises:
            RunError: no such file, or a damaged one.
        """
        values = read_json(self.config)
        with blaming(self.config, RunError):
            return config_from_dict(values)

    def read_report(self) -> dict:
        """Read the report of a finished run.

        Raises:
            RunError: no such file, or a damaged one.
        """
        return read_json(self.report)

    def read_pretrained(self) -> list[dict]:
        """Read what the network started from: nothing where no file tells.

        Raises:
            RunError: a damaged file.
        """
        return read_json(self.pretrained, list) if self.pretrained.exists() else []

    def read_removed(self) -> dict:
        """Read which filters were removed, of `untuned`.

        Raises:
            RunError: no such file, or a damaged one.
        """
        return read_json(self.removed, keys=("criterion", "amount", "filters", "kept", "layers"))
