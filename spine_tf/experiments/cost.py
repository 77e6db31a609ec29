"""How long the runs of preset `small` take, so that nobody starts an afternoon without knowing."""

from collections.abc import Sequence
from pathlib import Path

from spine_tf.config import Config
from spine_tf.datasets.embedded import TEST_PHANTOMS, VALIDATION_PHANTOMS
from spine_tf.experiments.cells import GRIDS, cell_config, run_place
from spine_tf.experiments.running import is_done

MEASURED_SIDE = 64
CPU_SECONDS = {
    "linknet resnet34": (0.098, 0.027, 40),
    "fpn resnet34": (0.298, 0.090, 40),
    "pspnet resnet34": (0.100, 0.028, 40),
    "unet resnet34": (0.116, 0.029, 40),
    "linknet mobilenetv2": (0.044, 0.012, 40),
    "linknet resnet50": (0.138, 0.036, 50),
    "linknet efficientnetb7": (0.483, 0.072, 200),
}
"""Architecture and encoder -> CPU seconds of a triplet in a training step and in prediction, and of what a run takes
beside them: building, tracing, checkpoints, scoring.

The first two are measured: 64 pixels, batches of 4, one thread of an AMD EPYC that did nothing else, three steps. The
last one is in part a guess, above all the checkpoints of every epoch.
"""
MAKING_SECONDS = 0.01
"""CPU seconds of making a training triplet of 64 pixels."""
CORES = 1.7
"""What two cores are taken to be worth to one training; not measured."""
VALIDATION_TRIPLETS = 16


def run_minutes(config: Config) -> float | None:
    """Minutes of one run on two idle cores; None for networks, sizes or data that were not measured."""
    key = f"{config.model.architecture} {config.model.encoder}"
    if key not in CPU_SECONDS or config.preprocess.image_size != MEASURED_SIDE or config.data.data is not None:
        return None
    step, predict, beside = CPU_SECONDS[key]
    drawn = config.data.phantoms + config.data.real_weight
    trained = config.train.epochs * drawn * config.data.triplets_per_case
    steps = config.preprocess.image_size
    validated = VALIDATION_PHANTOMS * (config.train.epochs * VALIDATION_TRIPLETS + steps)
    tested = (TEST_PHANTOMS + len(config.data.hold_out)) * steps
    return (trained * (step + MAKING_SECONDS) + (validated + tested) * predict + beside) / CORES / 60


def missing_minutes(
    tables: Sequence[str], base: Config, folder: Path, seeds: Sequence[int], names: Sequence[str] = ()
) -> tuple[int, float | None]:
    """Number of runs of some tables that are not done, and the minutes they take together; a shared run counts once.

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
        if not is_done(Path(folder) / place / f"seed{seed}")
    ]
    return len(missing), None if None in missing else sum(missing)


def cost_text(table: str, base: Config, folder: Path, seeds: Sequence[int], names: Sequence[str] = ()) -> str:
    """What is still to be run of a table, as a line, or nothing where all is done or there are no runs."""
    count, minutes = missing_minutes([table], base, folder, seeds, names)
    if not count:
        return ""
    about = "" if minutes is None else f", about {minutes:.0f} minutes on two cores"
    return f"table {table}: {count} runs to do{about}\n"
