"""Measures what the input of training costs: CPU time of a triplet, the cores that this means, and triplets a second.

    git worktree add ../before COMMIT
    python benchmarks/pipeline.py --before ../before

gives the CPU time beside that of another checkout, in turn. The last row is the pipeline beside what preset `small`
consumes; from 3 on the network never waits.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from rows import finish, row
from threadpoolctl import threadpool_limits

from spine_tf.support.tables import Table, markdown_table

HERE = Path(__file__).resolve().parent
AT_MOST_OF_BEFORE, AT_LEAST_OF_SMALL = 0.25, 3.0
RATES = (100, 400, 1000)
"""Triplets a second that a GPU may want."""


@dataclass(frozen=True)
class Flags:
    data_root: Path = Path("data")
    """Where phantoms and sample CTs are kept."""
    before: Path | None = None
    """Another checkout, whose triplets are timed in turn with ours."""
    rounds: int = 3
    """Each side is timed this often, in turn."""
    triplets: int = 200
    """Of each preset and round."""
    steps: int = 3
    """Batches a round, of the pipeline beside `small`."""
    output: Path | None = None
    """JSON file for the rows."""


def main() -> int:
    flags = tyro.cli(Flags, description=__doc__)
    sides = {"now": HERE.parent} | ({"before": flags.before.resolve()} if flags.before else {})
    found = {side: [] for side in sides}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(flags.rounds):
            for side, checkout in sides.items():
                found[side].append(triplet_cost(checkout, Path(folder) / side, flags, number))
    cells, rows = [], []
    for preset in ("paper", "small"):
        cost = {side: float(np.median([one[preset]["cpu_ms"] for one in found[side]])) for side in sides}
        for side in sides:
            cores = [f"{cost[side] * rate / 1e3:.1f}" for rate in RATES]
            cells.append([preset, side, f"{cost[side]:.1f}", *cores])
        ratio = cost["now"] / cost["before"] if flags.before else None
        note = f"{cost['now']:.1f} ms a triplet"
        note += f", {cost['before']:.1f} before" if flags.before else "; --before names the checkout to compare with"
        rows.append(row(f"triplet of {preset}: CPU time, of before", ratio, at_most=AT_MOST_OF_BEFORE, note=note))
    heads = ["preset", "side", "CPU ms a triplet", *(f"cores for {rate}/s" for rate in RATES)]
    print(markdown_table(Table(heads, cells, "llrrrr")))
    rows.append(beside_small(flags))
    finish(rows, flags.output)
    return 0 if all(one["met"] is not False for one in rows) else 1


def triplet_cost(checkout: Path, cache: Path, flags: Flags, number: int) -> dict:
    """Run triplet_cost.py on the code of a checkout: preset -> cpu_ms and wall_ms."""
    command = [sys.executable, HERE / "triplet_cost.py", "--data-root", flags.data_root, "--cache", cache]
    command += ["--triplets", flags.triplets, "--first-epoch", number]
    environment = os.environ | {"PYTHONPATH": str(checkout)}
    done = subprocess.run([str(part) for part in command], env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"error: the triplets of {checkout} were not timed")
    return json.loads(done.stdout.splitlines()[-1])


def beside_small(flags: Flags) -> dict:
    """Time the pipeline and a training step of `small` in turn, in this process."""
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
    note = f"{pipeline:.1f} triplets/s, {small:.1f} consumed"
    name = "pipeline: triplets/s, of what small consumes"
    return row(name, pipeline / small, at_least=AT_LEAST_OF_SMALL, note=note)


if __name__ == "__main__":
    sys.exit(main())
