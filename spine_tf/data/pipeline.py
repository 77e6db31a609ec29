"""Cached cases, or shards -> tf.data of view triplets.

Triplet i of a run is a function of (seed, i) alone, whatever the number of workers: a resumed run starts at the triplet
where it stopped, and gets the same ones.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from spine_tf.config import VIEWS, AugmentConfig, DataConfig, PreprocessSpec
from spine_tf.data.cache import CachedCase
from spine_tf.data.shards_order import ShardOrder
from spine_tf.data.synthesis.on_the_fly import SyntheticScans
from spine_tf.data.triplets import plain_triplet, training_triplet


class Share(NamedTuple):
    """Which part of every batch a worker trains on: the batches themselves are those of a run on one machine."""

    index: int = 0
    count: int = 1
    devices: int = 1
    """Of the worker, each of which takes one of the batches it gets, in turn."""

    def reach(self, data: DataConfig) -> int:
        """How far behind the furthest triplet one may lie that is drawn beside it, by `data.workers` makers."""
        size = data.batch_size // self.count
        # Those of other workers lie between two batches.
        return data.workers + -(-data.workers // size) * (data.batch_size - size)


WHOLE = Share()


@lru_cache(maxsize=4)
def epoch_order(n_cases: int, triplets_per_case: int, seed: int, epoch: int) -> np.ndarray:
    """The case of each triplet of an epoch: every case `triplets_per_case` times, in a seeded random order."""
    order = np.repeat(np.arange(n_cases), triplets_per_case)
    return np.random.default_rng((seed, epoch)).permutation(order)


def training_dataset(
    cases: Sequence[CachedCase],
    spec: PreprocessSpec,
    data: DataConfig,
    augment: AugmentConfig,
    seed: int,
    first_epoch: int = 0,
    synthetic: SyntheticScans | None = None,
    share: Share = WHOLE,
) -> tf.data.Dataset:
    """Endless batches of ({"axial", "coronal", "sagittal"}, mask), each (batch, H, W, 3) float32 in [0, 1].

    An epoch is `triplets_per_case` x cases; a batch that an epoch does not fill is completed from the next one. The
    scans of `synthetic` are further cases, other ones in every epoch.
    """
    n_cases = len(cases) + (synthetic.count if synthetic else 0)
    if not n_cases:
        raise ValueError("cases must hold at least one case to train on. Received: cases=[]")
    per_epoch = n_cases * data.triplets_per_case

    def draw(index: np.ndarray) -> tuple[np.ndarray, ...]:
        epoch, place = divmod(int(index), per_epoch)
        number = int(epoch_order(n_cases, data.triplets_per_case, seed, epoch)[place])
        case = cases[number] if number < len(cases) else synthetic.get(epoch, number - len(cases))
        rng = np.random.default_rng((seed, epoch, place))
        return training_triplet(case, rng, spec, augment, data.inference_like)

    return _endless(draw, n_cases, spec, data, first_epoch, share)


def shard_dataset(
    order: ShardOrder,
    spec: PreprocessSpec,
    data: DataConfig,
    augment: AugmentConfig,
    seed: int,
    first_epoch: int = 0,
    share: Share = WHOLE,
) -> tf.data.Dataset:
    """Endless batches as of `training_dataset`, from shards: in another order, which needs few cases at a time."""
    per_epoch = order.count * data.triplets_per_case

    def draw(index: np.ndarray) -> tuple[np.ndarray, ...]:
        rng = np.random.default_rng((seed, *divmod(int(index), per_epoch)))
        return training_triplet(order.get(int(index)), rng, spec, augment, data.inference_like)

    return _endless(draw, order.count, spec, data, first_epoch, share)


def steps_per_epoch(n_cases: int, data: DataConfig) -> int:
    """Batches in an epoch, at least 1."""
    return max(1, n_cases * data.triplets_per_case // data.batch_size)


def validation_dataset(
    cases: Sequence[CachedCase],
    spec: PreprocessSpec,
    data: DataConfig,
    triplets_per_case: int = 16,
    share: Share = WHOLE,
) -> tf.data.Dataset:
    """The same evenly spaced triplets of every case each time, cut as at prediction; finite, cached in memory.

    Of a share: every `share.count`-th batch.
    """

    def draw(index: np.ndarray) -> tuple[np.ndarray, ...]:
        case, place = divmod(int(index), triplets_per_case)
        return plain_triplet(cases[case], (place + 0.5) / triplets_per_case, spec)

    places = np.arange(len(cases) * triplets_per_case)
    own = places[places // data.batch_size % share.count == share.index]
    # Of known length: without it Keras warns at the end of the first validation that data ran out.
    indices = tf.data.Dataset.from_tensor_slices(own)
    return _batches(indices, draw, spec, data, data.batch_size).cache().prefetch(tf.data.AUTOTUNE)


def _endless(
    draw, n_cases: int, spec: PreprocessSpec, data: DataConfig, first_epoch: int, share: Share
) -> tf.data.Dataset:
    first, size = first_epoch * steps_per_epoch(n_cases, data), data.batch_size // share.count
    places = tf.range(size, dtype=tf.int64) + share.index * size
    batches = tf.data.Dataset.range(first, tf.int64.max)
    indices = batches.flat_map(lambda batch: tf.data.Dataset.from_tensor_slices(batch * data.batch_size + places))
    return _batches(indices, draw, spec, data, size // share.devices).prefetch(tf.data.AUTOTUNE)


def _batches(indices: tf.data.Dataset, draw, spec: PreprocessSpec, data: DataConfig, size: int) -> tf.data.Dataset:
    shape = (spec.image_size, spec.image_size, 3)

    def load(index):
        arrays = tf.numpy_function(draw, [index], [tf.float32] * 4)
        *images, mask = (tf.ensure_shape(array, shape) for array in arrays)
        return dict(zip(VIEWS, images, strict=True)), mask

    options = tf.data.Options()
    options.autotune.ram_budget = 2**30
    return indices.map(load, num_parallel_calls=data.workers, deterministic=True).batch(size).with_options(options)
