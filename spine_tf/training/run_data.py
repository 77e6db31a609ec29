"""Opens what a run trains on: its cases by role, decoded, and synthetic scans made as it goes."""

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import tensorflow as tf
from threadpoolctl import threadpool_limits

from spine_tf.config import Config
from spine_tf.data.cache import CachedCase, cache_case
from spine_tf.data.cases import Case
from spine_tf.data.default_data import embedded_split, weighted
from spine_tf.data.makers import THREADS, TripletMakers
from spine_tf.data.pipeline import (
    WHOLE,
    Share,
    shard_dataset,
    steps_per_epoch,
    training_dataset,
    validation_dataset,
)
from spine_tf.data.shards_order import ShardCases, ShardOrder
from spine_tf.data.shards_read import check_spec, read_index, shard_cases
from spine_tf.data.splits import Split, split_cases
from spine_tf.data.synthesis.make import LabelMap, find_label_maps, make_synthetic
from spine_tf.data.synthesis.on_the_fly import SyntheticScans
from spine_tf.data.verse import find_cases, pair_globs
from spine_tf.support.errors import MakerError, ShardError
from spine_tf.support.progress import progress_bar, say
from spine_tf.training.run_folder import RunFolder


def find_split(config: Config, data_root: Path) -> tuple[Split, list[str]]:
    """Find the cases of a run by role, and notes about what is missing; see DataConfig."""
    data = config.data
    if _embedded(config):
        return embedded_split(data_root, data.hold_out, data.phantoms, data.more)
    if data.shards is not None:
        cases = shard_cases(data.shards, read_index(data.shards))
    else:
        cases = find_cases(data.data) if data.data is not None else pair_globs(data.images, data.masks)
    return split_cases(cases, data.test_fraction, data.val_fraction, config.train.seed, data.split), []


class RunData(NamedTuple):
    """What a run trains on, as `training.fit.fit_model` takes it."""

    dataset: Callable
    """First epoch (from 0) -> endless batches from that epoch on."""
    steps: int
    validation: Iterable | None
    label_maps: list[LabelMap]
    """Of which synthetic scans are made."""


@contextlib.contextmanager
def training_data(
    config: Config, folder: Path, data_root: Path, split: Split, share: Share = WHOLE
) -> Iterator[RunData]:
    """Open what a run trains on, and make its synthetic scans as long as the block lasts.

    Args:
        config: of the run.
        folder: gets the cache, where none is configured, and synthetic scans while they are needed.
        data_root: where the embedded default keeps phantoms and sample CTs.
        split: of `find_split`.
        share: this worker's part of every batch.
    """
    say(f"{len(split.train)} cases to train on, {len(split.val)} to validate, {len(split.test)} kept for the test")
    if config.data.shards is not None:
        with _shard_data(config, split, share) as data:
            yield data
        return
    spec, cache = config.preprocess, config.data.cache or RunFolder(folder).cache
    opened = open_cases([*split.train, *split.val], cache, spec)
    embedded = _embedded(config)
    drawn = weighted(split.train, config.data.real_weight) if embedded else split.train
    train_cases = [opened[case.case_id] for case in drawn]
    val_cases = [opened[case.case_id] for case in split.val]
    synthetic = config.data.synthetic if embedded else 0
    held_out = {case.subject for case in [*split.val, *split.test]}
    maps = find_label_maps(data_root, config.data.more, held_out) if synthetic else []
    scans = _synthetic_scans(config, maps, folder) if synthetic else None
    seed = config.train.seed
    # Triplet makers run side by side; a BLAS that gives each of them every core makes them ten times slower.
    closing = contextlib.closing(scans) if scans else contextlib.nullcontext()
    with threadpool_limits(1, user_api="blas"), closing, _makers(config) as makers, _plainly(MakerError):
        yield RunData(
            partial(
                training_dataset,
                *(train_cases, spec, config.data, config.augment, seed),
                synthetic=scans,
                share=share,
                makers=makers,
            ),
            steps_per_epoch(len(train_cases) + synthetic, config.data),
            validation_dataset(val_cases, spec, config.data, share=share) if val_cases else None,
            maps,
        )


@contextlib.contextmanager
def _shard_data(config: Config, split: Split, share: Share) -> Iterator[RunData]:
    spec, data, seed = config.preprocess, config.data, config.train.seed
    index = read_index(data.shards)
    check_spec(index, spec)
    entries = {entry["case_id"]: entry for entry in index["cases"]}
    missing = [case.case_id for case in [*split.train, *split.val] if case.case_id not in entries]
    if missing:
        raise ShardError(f"shards must hold every case of the split. Received: {missing} missing")
    train, val = ([entries[case.case_id] for case in cases] for cases in (split.train, split.val))
    order = ShardOrder(data.shards, train, data, seed, reach=share.reach(data))
    # As above: one thread for each triplet maker.
    closing = contextlib.closing(order)
    with threadpool_limits(1, user_api="blas"), closing, _makers(config) as makers, _plainly(ShardError, MakerError):
        yield RunData(
            partial(shard_dataset, order, spec, data, config.augment, seed, share=share, makers=makers),
            steps_per_epoch(len(train), data),
            validation_dataset(ShardCases(data.shards, val), spec, data, share=share) if val else None,
            [],
        )


@contextlib.contextmanager
def _makers(config: Config) -> Iterator[TripletMakers | None]:
    """Processes that make triplets where more workers are asked for than are worth being threads; else None."""
    if config.data.workers <= THREADS:
        yield None
        return
    with contextlib.closing(TripletMakers(config.preprocess, config.data, config.augment)) as makers:
        yield makers


@contextlib.contextmanager
def _plainly(*kinds: type[ValueError]) -> Iterator[None]:
    """What a pipeline of tf.data says in pages of an error of these kinds, as the error that it was."""
    try:
        yield
    except tf.errors.OpError as error:
        for kind in kinds:
            found = re.search(rf"{kind.__name__}: (.+)", error.message)
            if found is not None:
                raise kind(found[1].strip()) from error
        raise


def _embedded(config: Config) -> bool:
    return config.data.data is None and config.data.images is None and config.data.shards is None


def _synthetic_scans(config: Config, maps: list[LabelMap], folder: Path) -> SyntheticScans:
    """Synthetic scans of phantoms and of label maps, other ones in every epoch."""
    make = partial(make_synthetic, maps=maps, phantom_share=config.data.phantom_share)
    return SyntheticScans(
        make, config.data.synthetic, RunFolder(folder).synthetic, config.preprocess, config.train.seed
    )


def open_cases(cases: list[Case], cache: Path, spec) -> dict[str, CachedCase]:
    """Decode the cases, or open what was decoded before; by case id, with a progress bar."""
    return {
        case.case_id: cache_case(case, cache, spec) for case in progress_bar(cases, desc="reading cases", unit="case")
    }
