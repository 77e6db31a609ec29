"""Triplets made in other processes are those of this one, wherever the case's arrays lie."""

import contextlib
import os
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

import numpy as np
import pytest

from spine_tf.config import AugmentConfig, DataConfig, PreprocessSpec
from spine_tf.data.cache import CachedCase, cache_arrays, open_entry
from spine_tf.data.makers import Mapped, TripletMakers, name_array, open_array
from spine_tf.data.pipeline import training_dataset
from spine_tf.data.shards_read import open_case
from spine_tf.data.shards_write import prepare_shards
from spine_tf.data.triplets import training_triplet
from spine_tf.data.verse import pair_globs
from spine_tf.support.errors import MakerError

SPEC, DATA, AUGMENT = PreprocessSpec(image_size=32), DataConfig(workers=3, batch_size=4), AugmentConfig(min_box_mm=10.0)


@pytest.fixture(scope="module")
def makers():
    with contextlib.closing(TripletMakers(SPEC, DATA, AUGMENT)) as made:
        yield made


@pytest.fixture
def stored_case(cube_case, tmp_path) -> CachedCase:
    cache_arrays(cube_case.hu, 20 * cube_case.mask.astype(np.int16), (1.0, 1.0, 1.0), tmp_path / "entry", SPEC)
    return open_entry(tmp_path / "entry", cube_case.case)


@pytest.fixture
def shard_case(six_scans, tmp_path) -> CachedCase:
    cases = pair_globs(str(six_scans / "ct" / "*.nii.gz"), str(six_scans / "masks" / "*.nii.gz"))
    index = prepare_shards(cases[:2], tmp_path / "shards", SPEC)
    return open_case(tmp_path / "shards", index["cases"][1])


@pytest.mark.parametrize("where", ["cube_case", "stored_case", "shard_case"])
def test_triplets_are_those_of_this_process(makers, where, request):
    case = request.getfixturevalue(where)
    for number in range(5):
        there = makers.make(case, (7, 0, number))
        here = training_triplet(case, np.random.default_rng((7, 0, number)), SPEC, AUGMENT, DATA.inference_like)
        for one, other in zip(there, here, strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_dataset_does_not_tell_who_made_it(makers, cube_case, stored_case):
    def batches(**options):
        dataset = training_dataset([cube_case, stored_case], SPEC, DATA, AUGMENT, seed=3, **options)
        return [(*images.values(), mask) for images, mask in dataset.take(3)]

    for one, other in zip(batches(makers=makers), batches(), strict=True):
        for there, here in zip(one, other, strict=True):
            np.testing.assert_array_equal(there, here)


def test_arrays_of_files_are_sent_by_name(stored_case, shard_case, cube_case):
    for case in (stored_case, shard_case):
        for array in (case.hu, case.mask, case.hu[3:4] if case.hu.flags.c_contiguous else case.hu[..., 3:4]):
            named = name_array(array)
            assert isinstance(named, Mapped)
            assert Path(named.path).is_file()
            np.testing.assert_array_equal(open_array(named), array)
    assert name_array(cube_case.hu) is cube_case.hu
    turned = np.flip(stored_case.hu, axis=1)
    assert name_array(turned) is turned


def test_a_killed_maker_is_a_sentence_and_the_memory_goes(cube_case):
    made = TripletMakers(SPEC, replace(DATA, workers=1), AUGMENT)
    made.make(cube_case, (0, 0, 0))
    name, (process,) = made._memory.name, made._pool._processes
    os.kill(process, signal.SIGINT)  # as Ctrl-C does to all of a terminal's processes
    made.make(cube_case, (0, 0, 1))
    os.kill(process, signal.SIGKILL)
    with pytest.raises(MakerError, match="one is gone"):
        made.make(cube_case, (0, 0, 2))
    made.close()
    with pytest.raises(FileNotFoundError):
        SharedMemory(name)


def test_makers_are_closed_while_threads_ask_and_each_is_told(cube_case):
    made = TripletMakers(SPEC, DATA, AUGMENT)
    made.make(cube_case, (0, 0, 0))
    wanted = training_triplet(cube_case, np.random.default_rng((0, 0, 1)), SPEC, AUGMENT, DATA.inference_like)

    def ask() -> str:
        while True:
            try:
                triplet = made.make(cube_case, (0, 0, 1))
            except MakerError as error:
                return str(error)
            for one, other in zip(triplet, wanted, strict=True):
                np.testing.assert_array_equal(one, other)

    with ThreadPoolExecutor(6) as pool:  # more than there are places
        asking = [pool.submit(ask) for _ in range(6)]
        time.sleep(0.5)
        made.close()
        assert {future.result(timeout=30) for future in asking} == {
            "triplet makers must be open. Received: closed ones"
        }


def test_a_case_whose_files_are_gone_is_a_sentence(makers, stored_case, tmp_path):
    shutil.rmtree(tmp_path / "entry")
    with pytest.raises(MakerError, match=r"files of a case must stay.*hu\.npy"):
        makers.make(stored_case, (0, 0, 0))


def test_without_room_for_shared_memory_there_is_a_sentence():
    with pytest.raises(MakerError, match=r"shared memory must have room .*--shm-size.* MB not given"):
        TripletMakers(SPEC, replace(DATA, workers=2**28), AUGMENT)
