"""Estimates how long the runs of preset `small` take, so that nobody starts an afternoon without knowing."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from spine_tf.config import Config
from spine_tf.experiments.cells import GRIDS, cell_config, run_place, seed_folder
from spine_tf.experiments.settings import small
from spine_tf.training.run_folder import RunFolder

CPU_MINUTES = {
    "linknet resnet34": 3.9,
    "fpn resnet34": 9.4,
    "pspnet resnet34": 3.5,
    "unet resnet34": 4.3,
    "linknet mobilenetv2": 1.9,
    "linknet resnet50": 4.7,
    "linknet efficientnetb7": 12.7,
}
"""Architecture and encoder -> CPU minutes of one run of preset `small` without --data, scoring included.

Measured on an AMD EPYC: two runs at a time on two cores, TensorFlow with one thread for each.
"""


def run_minutes(config: Config) -> float | None:
    """Estimate the CPU minutes of one run; None for networks, sizes or data that were not measured."""
    if _size(config) != _size(small()):
        return None
    return CPU_MINUTES.get(f"{config.model.architecture} {config.model.encoder}")


def _size(config: Config) -> tuple:
    return config.preprocess.image_size, config.train.epochs, replace(config.data, cache=None)


def missing_minutes(
    tables: Sequence[str], base: Config, folder: Path, seeds: Sequence[int], names: Sequence[str] = ()
) -> tuple[int, float | None]:
    """Count the runs of some tables that are not done, and their CPU minutes together; a shared run counts once.

    Args:
        names: cells; none: all.

    Returns:
        the number, and None instead of minutes where a run's are not known.
    """
    places = {}
    for table in tables:
        for name in GRIDS.get(table, {}):
            if not names or name in names:
                places[run_place(table, name, base)] = cell_config(table, name, base, 0)
    missing = [
        run_minutes(config)
        for place, config in places.items()
        for seed in seeds
        if not RunFolder(seed_folder(Path(folder) / place, seed)).evaluated
    ]
    return len(missing), None if None in missing else sum(missing)


def cost_text(table: str, base: Config, folder: Path, seeds: Sequence[int], names: Sequence[str] = ()) -> str:
    """Say in a line what is still to be run of a table; nothing where all is done or there are no runs."""
    count, minutes = missing_minutes([table], base, folder, seeds, names)
    if not count:
        return ""
    about = "" if minutes is None else f", about {minutes:.0f} minutes of CPU"
    return f"table {table}: {count} runs to do{about}\n"
