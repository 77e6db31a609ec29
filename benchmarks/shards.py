"""Trains from shards: measures its speed beside cases held in memory, in turn, and its memory for more and more cases.

Speed: whole epochs of 16 phantoms, shards against arrays in memory; short ones, so that whatever else the machine does
slows both. Memory: each figure is the peak of a process of its own that draws one epoch; the memory-mapped cache stands
beside it, whose cases all stay open. Files are read from the system's cache, not from a cold disk.
"""

import dataclasses
import multiprocessing
import shutil
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import tyro
from rows import finish, row
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from spine_tf.config import PRESETS
from spine_tf.data.cache import cache_case
from spine_tf.data.synthesis.phantom import make_phantom, write_phantom, write_phantoms
from spine_tf.data.verse import find_cases
from spine_tf.support.environment import peak_memory_gib

SPEED_AIM, MEMORY_AIM = 1.0, 1.2
SMALL = PRESETS["small"]
SHORT = dataclasses.replace(SMALL.data, triplets_per_case=16)
"""For the speed."""
FEW = dataclasses.replace(SMALL.data, triplets_per_case=2)
"""For the memory: an epoch must open every case, not take long."""
WHOLE = dataclasses.replace(SMALL.preprocess, body_box=False)
"""For the memory: small phantoms as they are."""
TIMED = 16
"""Phantoms of an epoch that is timed."""
SHAPE, SPACING_MM, DISTINCT = (96, 96, 128), 3.0, 10
"""Phantoms of 3.5 MB each; further ones are the first ten again, in other files."""


@dataclass(frozen=True)
class Flags:
    data_root: Path = Path("data")
    """Where phantoms are kept."""
    cases: tuple[int, ...] = (10, 100, 300)
    """Numbers of cases whose memory is compared, the smallest first."""
    rounds: int = 8
    """Each side's speed is timed this often, in turn."""
    output: Path | None = None
    """JSON file for the rows."""


def main() -> None:
    flags = tyro.cli(Flags, description=__doc__)
    with tempfile.TemporaryDirectory() as folder:
        ratios, cpu = speed_ratios(flags.data_root, Path(folder) / "speed", flags.rounds)
        own, mapped = memory_peaks(flags.data_root, Path(folder) / "memory", flags.cases)
    few, many = min(flags.cases), max(flags.cases)
    rounds = f"rounds {', '.join(f'{ratio:.2f}' for ratio in ratios)}; by CPU time {cpu:.2f}"
    shown = ", ".join(f"{count}: {own[count]:.0f}" for count in flags.cases)
    held = f"{many} cases are {many * 3 * np.prod(SHAPE) / 1e6:.0f} MB"
    finish(
        [
            row("shards: triplets/s, of those from cases in memory", median(ratios), at_least=SPEED_AIM, note=rounds),
            row(
                f"shards: peak memory with {many} cases, of that with {few}",
                own[many] / own[few],
                at_most=MEMORY_AIM,
                note=f"MiB by cases {shown}; {held}; the memory-mapped cache: {mapped[many] / mapped[few]:.2f}",
            ),
        ],
        flags.output,
    )


def speed_ratios(data_root: Path, folder: Path, rounds: int) -> tuple[list[float], float]:
    """Triplets a second from shards as a multiple of those from cases in memory.

    Returns:
        one ratio a round by the clock; the median by CPU time, which other processes on the machine disturb less.
    """
    from spine_tf.data.pipeline import shard_dataset, steps_per_epoch, training_dataset
    from spine_tf.data.shards_write import prepare_shards

    write_phantoms(data_root / "phantoms-train", range(TIMED))
    cases = find_cases(data_root / "phantoms-train")[:TIMED]
    prepare_shards(cases, folder / "shards", SMALL.preprocess)
    mapped = [cache_case(case, folder / "cache", SMALL.preprocess) for case in cases]
    held = [dataclasses.replace(c, hu=np.array(c.hu), mask=np.array(c.mask)) for c in mapped]
    steps = steps_per_epoch(len(cases), SHORT)
    windows = _open(folder / "shards", SHORT)
    choices, ratios = (SMALL.preprocess, SHORT, SMALL.augment, 0), []
    with threadpool_limits(1, user_api="blas"), closing(windows):
        for number in tqdm(range(rounds), desc="timing", unit="round"):
            # The epoch after the last one, as a training goes on: its first window is already being read.
            sides = {
                "memory": training_dataset(held, *choices, first_epoch=number),
                "shards": shard_dataset(windows, *choices, first_epoch=number),
            }
            seconds = {}
            for name in sorted(sides, reverse=number % 2 == 1):
                start, cpu_start = time.monotonic(), time.process_time()
                for _ in sides[name].take(steps):
                    pass
                seconds[name] = np.array([time.monotonic() - start, time.process_time() - cpu_start])
            ratios.append(seconds["memory"] / seconds["shards"])
    return [float(clock) for clock, _ in ratios], float(median(cpu for _, cpu in ratios))


def memory_peaks(data_root: Path, folder: Path, counts: tuple[int, ...]) -> tuple[dict[int, float], dict[int, float]]:
    """Number of cases -> peak MiB of drawing an epoch from shards; and from the mapped cache, for fewest and most."""
    from spine_tf.data.shards_write import prepare_shards

    root, few, most = data_root / "phantoms-small", min(counts), max(counts)
    write_small_phantoms(root, most)
    cases = find_cases(root)[:most]
    # Each in a fresh process, two at once, the longest first: how long they take is not what is asked.
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as pool:
        made = (
            pool.submit(prepare_shards, cases, folder / "shards", WHOLE),
            pool.submit(_fill_cache, cases, folder / "cache"),
        )
        for each in made:
            each.result()
        mapped = {count: pool.submit(_epoch_of_cache, cases[:count], folder / "cache") for count in (most, few)}
        own = {count: pool.submit(_epoch_of_shards, folder / "shards", count) for count in sorted(counts, reverse=True)}
        return tuple({count: peak.result() for count, peak in side.items()} for side in (own, mapped))


def write_small_phantoms(root: Path, count: int) -> None:
    """Cases of their own files, of `DISTINCT` phantoms over and over; what is there already is kept."""
    for number in tqdm(range(count), desc="phantoms", unit="scan"):
        first, name = (f"sub-phantom{n:04d}" for n in (number % DISTINCT, number))
        if (root / "rawdata" / name / f"{name}_ct.nii.gz").is_file():
            continue
        if first == name:
            phantom = make_phantom(number, shape=SHAPE, spacing_mm=SPACING_MM)
            write_phantom(phantom, root, name.removeprefix("sub-"))
            continue
        for path in sorted(root.glob(f"*/{first}/*")):  # the scan itself is the last
            copy = path.parents[1] / name / path.name.replace(first, name)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)


def _epoch_of_shards(folder: Path, count: int) -> float:
    from spine_tf.data.pipeline import shard_dataset

    with closing(_open(folder, FEW, count)) as windows:
        dataset = shard_dataset(windows, SMALL.preprocess, FEW, SMALL.augment, seed=0)
        return _peak_mib_of_epoch(dataset, windows.count)


def _epoch_of_cache(cases: list, cache: Path) -> float:
    from spine_tf.data.pipeline import training_dataset

    opened = [cache_case(case, cache, WHOLE) for case in cases]
    return _peak_mib_of_epoch(training_dataset(opened, WHOLE, FEW, SMALL.augment, seed=0), len(cases))


def _fill_cache(cases: list, cache: Path) -> None:
    for case in cases:
        cache_case(case, cache, WHOLE)


def _peak_mib_of_epoch(dataset, n_cases: int) -> float:
    from spine_tf.data.pipeline import steps_per_epoch

    with threadpool_limits(1, user_api="blas"):
        for _ in tqdm(dataset.take(steps_per_epoch(n_cases, FEW)), desc=f"{n_cases} cases", unit="batch"):
            pass
    return 1024 * peak_memory_gib()


def _open(folder: Path, data, count: int | None = None):
    """The first `count` cases of the shards in `folder`; None: all."""
    from spine_tf.data.shards_order import ShardOrder
    from spine_tf.data.shards_read import read_index

    return ShardOrder(folder, read_index(folder)["cases"][:count], data, seed=0)


if __name__ == "__main__":
    main()
