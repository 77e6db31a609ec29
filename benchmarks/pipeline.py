"""Counts triplets a second: the training pipeline beside what preset `small` consumes, in turn, in one process.

The aim is a ratio of at least 3: then the network never waits, also when augmentation grows.
"""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from rows import finish, row
from threadpoolctl import threadpool_limits

AIM = 3.0


@dataclass(frozen=True)
class Flags:
    data_root: Path = Path("data")
    """Where phantoms and sample CTs are kept."""
    rounds: int = 3
    """Each side is timed this often, in turn."""
    steps: int = 3
    """Batches a round."""
    output: Path | None = None
    """JSON file for the row."""


def main() -> int:
    flags = tyro.cli(Flags, description=__doc__)
    from spine_tf.config import PRESETS
    from spine_tf.data.cache import cache_case
    from spine_tf.data.default_data import embedded_split, weighted
    from spine_tf.data.pipeline import training_dataset
    from spine_tf.models import build_model
    from spine_tf.training.fit import compile_model

    config = PRESETS["small"]
    split, notes = embedded_split(flags.data_root, config.data.hold_out, 8)
    print(*notes, sep="\n", end="")
    opened = {c.case_id: cache_case(c, flags.data_root / "benchmark-cache", config.preprocess) for c in split.train}
    cases = [opened[case.case_id] for case in weighted(split.train, config.data.real_weight)]
    model = build_model(config.model, config.preprocess.image_size)
    compile_model(model, config.train, 1000)
    with threadpool_limits(1, user_api="blas"):
        dataset = training_dataset(cases, config.preprocess, config.data, config.augment, seed=0)
        images, mask = next(iter(dataset))
        model.train_on_batch(images, mask)  # traced here, not in the first round

        def consume():
            for _ in range(flags.steps):
                model.train_on_batch(images, mask)

        def produce():
            # A new iterator: nothing was made while the network ran, and nothing goes on when it runs next.
            for _ in dataset.take(flags.steps):
                pass

        rates = {"pipeline": [], "small": []}
        for _ in range(flags.rounds):
            for name, work in (("small", consume), ("pipeline", produce)):
                start = time.monotonic()
                work()
                rates[name].append(flags.steps * config.data.batch_size / (time.monotonic() - start))
    pipeline, small = (float(np.median(rates[name])) for name in ("pipeline", "small"))
    print(f"pipeline {pipeline:.1f} triplets/s, small consumes {small:.1f} triplets/s in training")
    finish([row("pipeline: triplets/s, of what small consumes", pipeline / small, at_least=AIM)], flags.output)
    return 0 if pipeline / small >= AIM else 1


if __name__ == "__main__":
    sys.exit(main())
