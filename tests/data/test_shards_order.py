import shutil
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from spine_tf.config import AugmentConfig, DataConfig, PreprocessSpec
from spine_tf.data.cache import cache_case
from spine_tf.data.pipeline import Share, shard_dataset, steps_per_epoch, validation_dataset
from spine_tf.data.shards_order import ShardCases, ShardOrder, shard_order
from spine_tf.data.shards_read import read_index
from spine_tf.data.shards_write import prepare_shards
from spine_tf.data.triplets import training_triplet
from spine_tf.data.verse import pair_globs

SPEC = PreprocessSpec(image_size=32)
AUGMENT = AugmentConfig(min_box_mm=10.0)
DATA = DataConfig(batch_size=4, triplets_per_case=4, cases_open=2, workers=1)


@pytest.fixture(scope="module")
def cases(six_scans):
    return pair_globs(str(six_scans / "ct" / "*.nii.gz"), str(six_scans / "masks" / "*.nii.gz"))


@pytest.fixture(scope="module")
def shards(cases, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("windows") / "shards"
    prepare_shards(cases, folder, SPEC)
    return folder


class TrackedOrder(ShardOrder):
    """Tells which cases were opened together, and does not keep them from being let go."""

    def __init__(self, *values, **more):
        super().__init__(*values, **more)
        self.opened, self.arrays = [], []

    def _open(self, one):
        found = super()._open(one)
        self.opened.append([cached.case.case_id for cached in found.values()])
        self.arrays.extend(weakref.ref(cached.hu) for cached in found.values())
        return found


@pytest.fixture
def windows(shards):
    made = []

    def make(data=DATA, seed=3, count=6, folder=shards, **more) -> TrackedOrder:
        made.append(TrackedOrder(folder, read_index(shards)["cases"][:count], data, seed, **more))
        return made[-1]

    yield make
    for one in made:
        one.close()


def _take(dataset, n):
    return [(images, mask.numpy()) for images, mask in dataset.take(n)]


def test_an_epoch_goes_through_the_cases_a_window_at_a_time():
    order = shard_order(5, 3, 2, seed=0, epoch=0).tolist()
    assert len(order) == 15
    windows = [order[:6], order[6:12], order[12:]]
    assert [len(set(window)) for window in windows] == [2, 2, 1]
    assert np.bincount(order).tolist() == [3] * 5
    assert order != sorted(order)
    # Mixed, not one case after the other, and other cases together in another epoch or run.
    assert windows[0] not in ([a] * 3 + [b] * 3 for a in range(5) for b in range(5))
    others = [shard_order(5, 3, 2, seed=seed, epoch=epoch).tolist() for seed, epoch in ((0, 1), (1, 0))]
    assert order not in others


def test_a_triplet_from_shards_is_that_of_its_case_in_the_cache(cases, windows, tmp_path):
    order = shard_order(6, 4, 2, seed=3, epoch=0)
    batches = _take(shard_dataset(windows(), SPEC, DATA, AUGMENT, seed=3), 6)
    masks = np.concatenate([mask for _, mask in batches])
    for place in range(24):
        cached = cache_case(cases[order[place]], tmp_path, SPEC)
        *_, mask = training_triplet(cached, np.random.default_rng((3, 0, place)), SPEC, AUGMENT, DATA.inference_like)
        np.testing.assert_array_equal(masks[place], mask)


def test_the_stream_does_not_depend_on_workers_and_goes_on_exactly_in_a_later_epoch(windows):
    steps = steps_per_epoch(5, DATA)
    assert steps == 5  # 20 triplets, the third window half full
    whole = _take(shard_dataset(windows(count=5), SPEC, DATA, AUGMENT, seed=3), 3 * steps)
    three = replace(DATA, workers=3)
    same = _take(shard_dataset(windows(three, count=5), SPEC, three, AUGMENT, seed=3), 3 * steps)
    later = _take(shard_dataset(windows(count=5), SPEC, DATA, AUGMENT, seed=3, first_epoch=1), 2 * steps)
    for one, other in zip(whole + whole[steps:], same + later, strict=True):
        np.testing.assert_array_equal(one[1], other[1])
        np.testing.assert_array_equal(one[0]["sagittal"], other[0]["sagittal"])
    assert not np.array_equal(whole[0][1], whole[steps][1])


def test_two_windows_are_open_whatever_the_number_of_cases_and_each_is_read_once(windows):
    made = windows(replace(DATA, cases_open=1))
    for index in range(24 * 2):
        made.get(index)
        # At its first triplet, the window before may still be in use by another worker.
        assert sum(array() is not None for array in made.arrays) <= (3 if index % 4 == 0 else 2)
    made.close()
    order = [number for epoch in (0, 1) for number in shard_order(6, 4, 1, 3, epoch)[::4]]
    assert made.opened[:12] == [[f"case{number}"] for number in order]
    assert len(made.opened) <= 13  # and the one read ahead


def test_a_stream_that_starts_again_reads_each_window_once_more(windows):
    made = windows()
    for _ in range(2):
        for index in range(16):
            made.get(index)
    made.close()
    assert len(made.opened) <= 2 * 3


def test_a_workers_share_reads_each_window_once_though_a_triplet_comes_late(windows):
    # Batches of 4 for two workers: the first one's triplets are 0, 1, 4, 5, 8, ...; a window has 8 of them.
    share, two = Share(0, 2), replace(DATA, workers=2)
    assert share.reach(two) == 2 + 2
    made = windows(two, reach=share.reach(two))
    for index in (0, 1, 4, 8, 5, 9, 12, 13, 16, 17):
        made.get(index)
    made.close()
    # Three windows, and the one read ahead.
    assert len(made.opened) <= 4


def test_a_damaged_record_stops_the_training_with_its_name(shards, windows, tmp_path):
    folder = Path(shutil.copytree(shards, tmp_path / "copy"))
    entry = read_index(shards)["cases"][4]
    with (folder / entry["shard"]).open("r+b") as file:
        file.seek(entry["offset"] + entry["length"] // 2)
        byte = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([byte ^ 16]))
    with pytest.raises(tf.errors.OpError, match=r"ShardError: shard-00000\.tfrecord, case case4"):
        _take(shard_dataset(windows(folder=folder), SPEC, DATA, AUGMENT, seed=3), 6)


def test_validation_opens_its_cases_one_after_the_other(cases, shards, tmp_path):
    lazy = ShardCases(shards, read_index(shards)["cases"])
    cached = [cache_case(case, tmp_path, SPEC) for case in cases]
    assert len(lazy) == 6
    for (_, one), (_, other) in zip(
        validation_dataset(lazy, SPEC, DATA, 3), validation_dataset(cached, SPEC, DATA, 3), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_no_case_is_refused(shards):
    with pytest.raises(ValueError, match="at least one case"):
        ShardOrder(shards, [], DATA, 0)
