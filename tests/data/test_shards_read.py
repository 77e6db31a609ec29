import json
import shutil
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import tensorflow as tf

from spine_tf.config import PreprocessSpec
from spine_tf.data.cache import cache_case
from spine_tf.data.cases import Case
from spine_tf.data.loading import load_case
from spine_tf.data.shards_read import (
    INDEX,
    ShardError,
    check_spec,
    open_case,
    read_example,
    read_index,
    shard_cases,
)
from spine_tf.data.shards_write import prepare_shards
from tests.support.scans import bright_block_case, bright_block_hu

SPEC = PreprocessSpec(image_size=32)


def _cases(folder: Path) -> list[Case]:
    folder.mkdir()
    cases = [bright_block_case(folder, name) for name in "abc"]
    # b: stored along other axes, in air, with voxels of 1 x 2 x 3 mm; c: like VerSe's, not complete.
    hu = np.full((40, 32, 26), -1000, np.int16)
    hu[4:36, 2:30, 3:23] = bright_block_hu()
    affine = np.diag([1.0, 2.0, 3.0, 1.0])
    affine[:3, 3] = (5, -7, 11)
    turn = nib.orientations.ornt_transform([[0, 1], [1, 1], [2, 1]], nib.orientations.axcodes2ornt("PIR"))
    for path, array in ((cases[1].image, hu), (cases[1].mask, (hu == 1000).astype(np.uint8) * 20)):
        nib.save(nib.Nifti1Image(array, affine).as_reoriented(turn), path)
    return [*cases[:2], replace(cases[2], complete=False, subset="test")]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> tuple[list[Case], Path]:
    folder = tmp_path_factory.mktemp("reader")
    cases = _cases(folder / "scans")
    prepare_shards(cases, folder / "shards", SPEC)
    return cases, folder / "shards"


@pytest.fixture
def copy(prepared, tmp_path) -> Path:
    return Path(shutil.copytree(prepared[1], tmp_path / "copy"))


def test_a_case_from_its_shard_is_that_of_the_cache(prepared, tmp_path):
    cases, folder = prepared
    for case, entry in zip(cases, read_index(folder)["cases"], strict=True):
        cached, found = cache_case(case, tmp_path, SPEC), open_case(folder, entry)
        for name in ("hu", "mask", "points"):
            one, other = getattr(cached, name), getattr(found, name)
            np.testing.assert_array_equal(one, other)
            assert one.dtype == other.dtype
            assert other.flags.aligned
        assert (found.spacing_mm, found.window_hu) == (cached.spacing_mm, cached.window_hu)
    assert found.mask.max() == 2  # c is not complete: above and below its only vertebra the truth does not tell


def test_the_index_tells_enough_to_split_by(prepared):
    cases, folder = prepared
    for case, found in zip(cases, shard_cases(folder, read_index(folder)), strict=True):
        for name in ("case_id", "subject", "subset", "complete", "source"):
            assert getattr(found, name) == getattr(case, name)
        assert found.image == found.mask == folder / "shard-00000.tfrecord"


def test_arrays_are_views_of_the_file(prepared):
    folder = prepared[1]
    case = open_case(folder, read_index(folder)["cases"][1])
    for array in (case.hu, case.mask):
        assert isinstance(array.base.base.obj, np.memmap)  # array -> its one-dimensional form -> bytes -> the file
        assert not array.flags.writeable


def test_a_flipped_bit_anywhere_in_a_record_is_found_and_named(copy):
    first, second, third = read_index(copy)["cases"]
    shard = copy / second["shard"]
    whole = shard.read_bytes()
    start, length = second["offset"], second["length"]
    # The length, its checksum, the first and the last byte of the record, its checksum, and 40 places between.
    places = [0, 8, 12, length - 5, length - 1, *np.random.default_rng(0).integers(0, length, 40).tolist()]
    for number, place in enumerate(places):
        damaged = bytearray(whole)
        damaged[start + place] ^= 1 << number % 8
        shard.write_bytes(damaged)
        with pytest.raises(ShardError, match=r"shard-00000.tfrecord, case b: .* SHA-256 .*damaged.* Received: "):
            open_case(copy, second)
        open_case(copy, first)
        open_case(copy, third)


def test_a_short_or_missing_shard_is_named(copy):
    last = read_index(copy)["cases"][-1]
    shard = copy / last["shard"]
    with shard.open("r+b") as file:
        file.truncate(shard.stat().st_size - 1)
    with pytest.raises(ShardError, match=r"shard-00000.tfrecord, case c: the shard must hold \d+ bytes"):
        open_case(copy, last)
    shard.unlink()
    with pytest.raises(ShardError, match="case c: the shard must be there"):
        open_case(copy, last)


def test_a_changed_index_is_refused(copy):
    path = copy / INDEX
    text = path.read_text()
    path.write_text(text.replace('"subject": "b"', '"subject": "a"'))
    with pytest.raises(ShardError, match="as it was written"):
        read_index(copy)
    path.write_text(json.dumps(json.loads(text) | {"format": 99}))
    with pytest.raises(ShardError, match="format=99"):
        read_index(copy)
    path.write_text(text[:-20])
    with pytest.raises(ShardError, match=r"index\.json must be JSON"):
        read_index(copy)


def test_shards_prepared_otherwise_are_refused(prepared):
    index = read_index(prepared[1])
    check_spec(index, replace(SPEC, image_size=64, smoothing_mm=1.0))  # applied when a triplet is cut
    with pytest.raises(ShardError, match=r"prepared with \{'body_box': False\}.*Received: \{'body_box': True\}"):
        check_spec(index, replace(SPEC, body_box=False))


@pytest.mark.parametrize("canonical", [True, False])
def test_a_scan_and_its_truth_come_back_in_the_bodys_box(prepared, tmp_path, canonical):
    cases = prepared[0]
    index = prepare_shards(cases, tmp_path / "shards", replace(SPEC, canonical=canonical))
    for case, in_shard in zip(cases, shard_cases(tmp_path / "shards", index), strict=True):
        (volume, labels), (found, truth) = load_case(case), load_case(in_shard)
        place = np.linalg.solve(volume.affine, found.affine)
        np.testing.assert_allclose(place[:3, :3], np.eye(3), atol=1e-12)
        start = np.rint(place[:3, 3]).astype(int)
        box = tuple(slice(a, a + n) for a, n in zip(start, found.shape, strict=True))
        np.testing.assert_array_equal(found.array, volume.array[box])
        np.testing.assert_array_equal(truth, labels[box] == 20)
        assert truth.sum() == (labels == 20).sum() == 14 * 15 * 10
    assert start.tolist() == [0, 0, 0]  # c fills its scan, b does not


def test_a_case_that_the_index_does_not_list_is_refused(prepared):
    case = replace(shard_cases(prepared[1], read_index(prepared[1]))[0], case_id="z")
    with pytest.raises(ShardError, match=r"must list the case\. Received: z"):
        load_case(case)


def test_features_are_found_as_tensorflow_finds_them():
    features = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[name.encode() * n]))
        for name, n in (("empty", 0), ("short", 1), ("long", 40_000))
    }
    features["number"] = tf.train.Feature(int64_list=tf.train.Int64List(value=[7]))
    record = tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()
    found = {name: bytes(value) for name, value in read_example(memoryview(record)).items()}
    assert found == {"empty": b"", "short": b"short", "long": b"long" * 40_000}
