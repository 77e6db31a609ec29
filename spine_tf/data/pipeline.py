"""Feeds a network with tf.data: batches of triplets from cached cases or from shards.

Triplet i of a run is a function of (seed, i) alone, whatever the number of workers. So a resumed run starts at the
triplet where it stopped, and gets the same ones.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from spine_tf.config import VIEWS, AugmentConfig, DataConfig, PreprocessSpec
from spine_tf.data.cache import CachedCase
from spine_tf.data.makers import TripletMakers
from spine_tf.data.shards_order import ShardOrder
from spine_tf.data.synthesis.on_the_fly import SyntheticScans
from spine_tf.data.triplets import plain_triplet, training_triplet


class Share(NamedTuple):
    """Choose the part of every batch that a worker trains on; the batches are those of a run on one machine."""

    index: int = 0
    """Of the worker, from 0."""
    count: int = 1
    """How many workers there are."""
    devices: int = 1
    """Of the worker. Its part of a batch is divided among them."""

    def reach(self, data: DataConfig) -> int:
        """Tell how far behind the furthest triplet one may lie that is drawn beside it.

        Args:
            data: batch_size is used, and workers, which draw side by side.

        Example:
            >>> Share(index=0, count=2).reach(DataConfig(batch_size=8, workers=2))
            6
        """
        size = data.batch_size // self.count
        # Those of other workers lie between two batches.
        return data.workers + -(-data.workers // size) * (data.batch_size - size)


WHOLE = Share()


@lru_cache(maxsize=4)
def epoch_order(n_cases: int, triplets_per_case: int, seed: int, epoch: int) -> np.ndarray:
    """Draw the case of each triplet of an epoch.

    Args:
        n_cases: how many there are.
        triplets_per_case: how often each is drawn.
        seed: of the run.
        epoch: from 0.

    Returns:
        (n_cases * triplets_per_case,) numbers of cases, from 0.

    Example:
        >>> sorted(epoch_order(3, 2, seed=0, epoch=0).tolist())
        [0, 0, 1, 1, 2, 2]
    """
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
    makers: TripletMakers | None = None,
) -> tf.data.Dataset:
    """Make endless batches of augmented triplets.

    An epoch is `triplets_per_case` x cases. A batch that an epoch does not fill is completed from the next one.

    Args:
        cases: to draw from.
        spec: pre-processing of the network.
        data: triplets_per_case, inference_like, batch_size and workers are used.
        augment: as `triplets.training_triplet` takes it.
        seed: of the run.
        first_epoch: from 0; where a resumed run starts.
        synthetic: makes further cases, other ones in every epoch.
        share: this worker's part of every batch.
        makers: processes that make the triplets; None: `data.workers` threads of this one.

    Returns:
        dataset of ({"axial", "coronal", "sagittal"}, mask), each (batch, H, W, 3) float32 in [0, 1]; -1 in the mask
        where the truth is unknown.

    Raises:
        ValueError: there is no case to draw from.

    Example:
        >>> hu, mask = np.full((16, 16, 16), 700, np.int16), np.ones((16, 16, 16), np.uint8)
        >>> case = CachedCase(None, hu, mask, np.argwhere(mask), (1.0, 1.0, 1.0), (-300.0, 1300.0))
        >>> spec, data = PreprocessSpec(image_size=32), DataConfig(batch_size=4)
        >>> images, target = next(iter(training_dataset([case], spec, data, AugmentConfig(), seed=0)))
        >>> list(images), tuple(target.shape)
        (['axial', 'coronal', 'sagittal'], (4, 32, 32, 3))
    """
    n_cases = len(cases) + (synthetic.count if synthetic else 0)
    if not n_cases:
        raise ValueError("cases must hold at least one case to train on. Received: cases=[]")
    per_epoch = n_cases * data.triplets_per_case

    def draw(index: np.ndarray) -> tuple[np.ndarray, ...]:
        epoch, place = divmod(int(index), per_epoch)
        number = int(epoch_order(n_cases, data.triplets_per_case, seed, epoch)[place])
        case = cases[number] if number < len(cases) else synthetic.get(epoch, number - len(cases))
        return make(case, (seed, epoch, place))

    make = makers.make if makers else _here(spec, augment, data)
    return _endless(draw, n_cases, spec, data, first_epoch, share)


def shard_dataset(
    order: ShardOrder,
    spec: PreprocessSpec,
    data: DataConfig,
    augment: AugmentConfig,
    seed: int,
    first_epoch: int = 0,
    share: Share = WHOLE,
    makers: TripletMakers | None = None,
) -> tf.data.Dataset:
    """Make endless batches as `training_dataset` does, from shards: in another order, which needs few cases at a time.

    Args:
        order: gives the case of each triplet.
        spec: as in `training_dataset`, as are the others.
    """
    per_epoch = order.count * data.triplets_per_case

    def draw(index: np.ndarray) -> tuple[np.ndarray, ...]:
        return make(order.get(int(index)), (seed, *divmod(int(index), per_epoch)))

    make = makers.make if makers else _here(spec, augment, data)
    return _endless(draw, order.count, spec, data, first_epoch, share)


def steps_per_epoch(n_cases: int, data: DataConfig) -> int:
    """Count the batches of an epoch, at least 1.

    Example:
        >>> steps_per_epoch(10, DataConfig(triplets_per_case=64, batch_size=8))
        80
    """
    return max(1, n_cases * data.triplets_per_case // data.batch_size)


def validation_dataset(
    cases: Sequence[CachedCase],
    spec: PreprocessSpec,
    data: DataConfig,
    triplets_per_case: int = 16,
    share: Share = WHOLE,
) -> tf.data.Dataset:
    """Make batches of evenly spaced triplets of every case, cut as at prediction and the same each time.

    They are finite and cached in memory.

    Args:
        cases: to cut.
        spec: pre-processing of the network.
        data: batch_size and workers are used.
        triplets_per_case: how many are cut from each.
        share: of several workers, each gets whole batches in turn.

    Returns:
        dataset as in `training_dataset`; the last batch may be smaller.

    Example:
        >>> hu, mask = np.full((16, 16, 16), 700, np.int16), np.ones((16, 16, 16), np.uint8)
        >>> case = CachedCase(None, hu, mask, np.argwhere(mask), (1.0, 1.0, 1.0), (-300.0, 1300.0))
        >>> dataset = validation_dataset([case], PreprocessSpec(image_size=32), DataConfig(batch_size=4), 6)
        >>> [tuple(target.shape) for _, target in dataset]
        [(4, 32, 32, 3), (2, 32, 32, 3)]
    """

    def draw(index: np.ndarray) -> tuple[np.ndarray, ...]:
        case, place = divmod(int(index), triplets_per_case)
        return plain_triplet(cases[case], (place + 0.5) / triplets_per_case, spec)

    places = np.arange(len(cases) * triplets_per_case)
    own = places[places // data.batch_size % share.count == share.index]
    # Of known length: without it Keras warns at the end of the first validation that data ran out.
    indices = tf.data.Dataset.from_tensor_slices(own)
    return _batches(indices, draw, spec, data, data.batch_size).cache().prefetch(tf.data.AUTOTUNE)


def _here(spec: PreprocessSpec, augment: AugmentConfig, data: DataConfig):
    """Give what `TripletMakers.make` is, for the thread that calls it."""

    def make(case: CachedCase, seed: tuple[int, ...]) -> tuple[np.ndarray, ...]:
        return training_triplet(case, np.random.default_rng(seed), spec, augment, data.inference_like)

    return make


def _endless(
    draw, n_cases: int, spec: PreprocessSpec, data: DataConfig, first_epoch: int, share: Share
) -> tf.data.Dataset:
    """Draw this share's triplets of the batches of a run, from an epoch on."""
    first, size = first_epoch * steps_per_epoch(n_cases, data), data.batch_size // share.count
    places = tf.range(size, dtype=tf.int64) + share.index * size
    batches = tf.data.Dataset.range(first, tf.int64.max)
    indices = batches.flat_map(lambda batch: tf.data.Dataset.from_tensor_slices(batch * data.batch_size + places))
    return _batches(indices, draw, spec, data, size // share.devices).prefetch(tf.data.AUTOTUNE)


def _batches(indices: tf.data.Dataset, draw, spec: PreprocessSpec, data: DataConfig, size: int) -> tf.data.Dataset:
    """Draw the triplet of each index and batch them."""
    shape = (spec.image_size, spec.image_size, 3)

    def load(index):
        arrays = tf.numpy_function(draw, [index], [tf.float32] * 4)
        *images, mask = (tf.ensure_shape(array, shape) for array in arrays)
        return dict(zip(VIEWS, images, strict=True)), mask

    options = tf.data.Options()
    options.autotune.ram_budget = 2**30
    return indices.map(load, num_parallel_calls=data.workers, deterministic=True).batch(size).with_options(options)
