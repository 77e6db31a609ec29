"""Measures the CPU time of a training triplet, made by threads of one process, for each preset; prints JSON.

It is run by pipeline.py in a process of its own, whose PYTHONPATH may name another checkout: it asks for nothing that
older ones lack.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path

import tyro
from threadpoolctl import threadpool_limits


@dataclass(frozen=True)
class Flags:
    data_root: Path = Path("data")
    """Where phantoms and sample CTs are kept."""
    cache: Path = Path("data/benchmark-cache")
    """Where decoded cases are kept; how they lie there is part of what is measured."""
    presets: tuple[str, ...] = ("paper", "small")
    triplets: int = 200
    """Of each preset."""
    first_epoch: int = 0
    """Triplets of another epoch are other ones, so that no cache is warm of them."""


def main() -> None:
    flags = tyro.cli(Flags, description=__doc__)
    from spine_tf.config import PRESETS
    from spine_tf.data.cache import cache_case
    from spine_tf.data.default_data import embedded_split, weighted
    from spine_tf.data.pipeline import training_dataset

    measured = {}
    for name in flags.presets:
        config = PRESETS[name]
        split, _ = embedded_split(flags.data_root, config.data.hold_out, 8)
        opened = {c.case_id: cache_case(c, flags.cache, config.preprocess) for c in split.train}
        cases = [opened[case.case_id] for case in weighted(split.train, config.data.real_weight)]
        size, count = config.data.batch_size, 0
        # As training does: threads of BLAS inside of each worker would only take turns.
        with threadpool_limits(1, user_api="blas"):
            dataset = training_dataset(cases, config.preprocess, config.data, config.augment, 0, flags.first_epoch)
            batches = iter(dataset.take(2 + -(-flags.triplets // size)))
            next(batches)  # traced here
            cpu, start = time.process_time(), time.monotonic()
            for _ in batches:
                count += size
            measured[name] = {
                "cpu_ms": 1e3 * (time.process_time() - cpu) / count,
                "wall_ms": 1e3 * (time.monotonic() - start) / count,
            }
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
