"""Names the files that a model is loaded from."""

from pathlib import Path

RUN_NETWORK, PUBLISHED_NETWORK = "best.keras", "model.keras"
"""The network's file in a run's folder and in a published model's."""

METADATA = "metadata.json"
"""Beside every network: its pre-processing, and facts of its training."""


def find_network(folder: Path) -> Path | None:
    """Find the `.keras` file of a run's or a published model's folder; None where it has neither name."""
    paths = (Path(folder) / name for name in (RUN_NETWORK, PUBLISHED_NETWORK))
    return next((path for path in paths if path.is_file()), None)
