import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import tensorflow as tf

from spine_tf.config import PreprocessSpec
from spine_tf.data.cache import cache_case
from spine_tf.data.shards_read import INDEX, ShardError, read_index
from spine_tf.data.shards_write import plan_shards, prepare_shards
from spine_tf.data.verse import find_cases
from tests.support.paths import SCRIPTS
from tests.support.verse_tree import write_verse_tree

SCRIPT = SCRIPTS / "prepare.py"
SPEC = PreprocessSpec(image_size=32)
TWO_CASES_MB = 0.13
"""A scan of six_scans has 32 x 28 x 24 voxels of 3 bytes, 64512: two of them fit, three do not."""


@pytest.fixture
def root(six_scans, tmp_path) -> Path:
    return write_verse_tree(six_scans, tmp_path / "verse")


def _content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "progress.json"}


def _mask(root: Path, number: int) -> Path:
    (path,) = root.glob(f"*/derivatives/sub-verse{number}/*_msk.nii.gz")
    return path


def test_cases_fill_shards_in_the_order_of_their_subjects(root):
    cases = find_cases(root)
    plan = plan_shards(cases[::-1], TWO_CASES_MB)
    names = [f"verse{number}" for number in range(500, 506)]
    assert [[case.subject for case in group] for group in plan] == [names[:2], names[2:4], names[4:]]
    assert [len(group) for group in plan_shards(cases, 0.01)] == [1] * 6  # larger than a shard: one of its own
    assert [len(group) for group in plan_shards(cases, 1)] == [6]


def test_any_tfrecord_dataset_reads_what_the_cache_would_hold(root, tmp_path):
    index = prepare_shards(find_cases(root), tmp_path / "shards", SPEC, TWO_CASES_MB)
    files = [str(tmp_path / "shards" / f"shard-{number:05d}.tfrecord") for number in range(3)]
    names = ("case_id", "facts", "hu", "mask", "points")
    features = {name: tf.io.FixedLenFeature([], tf.string) for name in names}
    features["shape"] = tf.io.FixedLenFeature([3], tf.int64)
    found = [tf.io.parse_single_example(record, features) for record in tf.data.TFRecordDataset(files)]
    assert len(found) == len(index["cases"]) == 6
    for case, entry, record in zip(find_cases(root), index["cases"], found, strict=True):
        cached = cache_case(case, tmp_path / "cache", SPEC)
        assert record["case_id"] == entry["case_id"].encode() == case.case_id.encode()
        shape = record["shape"].numpy()
        assert shape.tolist() == entry["shape"]
        hu, mask = (tf.io.decode_raw(record[n], t).numpy() for n, t in (("hu", tf.int16), ("mask", tf.uint8)))
        np.testing.assert_array_equal(hu.reshape(shape), cached.hu)
        np.testing.assert_array_equal(mask.reshape(shape), cached.mask)
        np.testing.assert_array_equal(tf.io.decode_raw(record["points"], tf.int32), cached.points.reshape(-1))
        facts = json.loads(record["facts"].numpy())
        assert (facts["spacing_mm"], facts["window_hu"]) == ([1.0, 1.0, 1.0], [-300.0, 1300.0])


def test_the_same_scans_give_the_same_bytes_whatever_the_number_of_workers(root, tmp_path):
    for name, workers in (("one", 1), ("two", 2)):
        prepare_shards(find_cases(root), tmp_path / name, SPEC, TWO_CASES_MB, workers)
    one, two = _content(tmp_path / "one"), _content(tmp_path / "two")
    assert sorted(one) == [INDEX, *(f"shard-{number:05d}.tfrecord" for number in range(3))]
    assert one == two


def test_finished_shards_are_kept_and_only_what_changed_is_made_anew(root, tmp_path):
    folder = tmp_path / "shards"

    def made() -> list[int]:
        prepare_shards(find_cases(root), folder, SPEC, TWO_CASES_MB)
        return [path.stat().st_mtime_ns for path in sorted(folder.glob("*.tfrecord"))]

    first = made()
    assert made() == first
    mask = _mask(root, 503)
    labels = np.asanyarray(nib.load(mask).dataobj)
    mask.unlink()
    nib.save(nib.Nifti1Image(labels * 0, np.eye(4)), mask)
    second = made()
    assert (second[0], second[2]) == (first[0], first[2])
    assert second[1] != first[1]
    again = replace(SPEC, window_hu=(-100.0, 900.0))
    prepare_shards(find_cases(root), folder, again, TWO_CASES_MB)
    assert not set(second).intersection(path.stat().st_mtime_ns for path in folder.glob("*.tfrecord"))
    assert read_index(folder)["spec"]["window_hu"] == [-100.0, 900.0]


def test_shards_of_an_earlier_larger_set_go(root, tmp_path):
    prepare_shards(find_cases(root), tmp_path / "shards", SPEC, TWO_CASES_MB)
    prepare_shards(find_cases(root)[:2], tmp_path / "shards", SPEC, TWO_CASES_MB)
    assert [path.name for path in (tmp_path / "shards").glob("*.tfrecord")] == ["shard-00000.tfrecord"]
    assert len(read_index(tmp_path / "shards")["cases"]) == 2


def _enlarge(root: Path, number: int, times: int) -> None:
    """Put a case beside itself `times` times along each axis, so that it takes seconds to decode."""
    for path in root.glob(f"*/*/sub-verse{number}/*.nii.gz"):
        image = nib.load(path)
        large = np.tile(np.asarray(image.dataobj), (times,) * 3)
        path.unlink()
        nib.save(nib.Nifti1Image(large, image.affine, dtype=large.dtype), path)


def test_killed_in_the_middle_nothing_is_half_written_and_the_next_start_goes_on(root, tmp_path):
    whole, folder = tmp_path / "whole", tmp_path / "shards"
    _enlarge(root, 504, 8)  # larger than a shard: the third holds it alone
    prepare_shards(find_cases(root), whole, PreprocessSpec(), TWO_CASES_MB)
    command = [sys.executable, str(SCRIPT), "--data", str(root), "--to", str(folder), "--shards-mb", str(TWO_CASES_MB)]
    log = tmp_path / "log"
    killed = subprocess.Popen(command, stdout=log.open("w"), stderr=subprocess.STDOUT)
    give_up = time.monotonic() + 120
    while not list(folder.glob(".*.shard-00002.tfrecord")):
        assert killed.poll() is None, log.read_text()
        assert time.monotonic() < give_up, log.read_text()
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    finished = ["shard-00000.tfrecord", "shard-00001.tfrecord"]
    assert sorted(path.name for path in folder.glob("[!.]*")) == ["progress.json", *finished]
    with pytest.raises(ShardError, match="that `spine-tf prepare` finished"):
        read_index(folder)
    dates = [(folder / name).stat().st_mtime_ns for name in finished]

    subprocess.run(command, check=True, capture_output=True)
    assert [(folder / name).stat().st_mtime_ns for name in finished] == dates
    assert _content(folder) == _content(whole)


def test_a_case_that_cannot_be_read_is_listed_and_the_rest_goes_on(root, tmp_path):
    mask = _mask(root, 502)
    mask.unlink()
    mask.write_bytes(b"not a mask")
    _mask(root, 505).unlink()
    command = [sys.executable, str(SCRIPT), "--data", str(root), "--to", str(tmp_path / "shards")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert "not read: sub-verse502: " in done.stderr
    assert "left out: sub-verse505" in done.stdout
    index = read_index(tmp_path / "shards")
    assert [entry["case_id"] for entry in index["cases"]] == [f"sub-verse{n}" for n in (500, 501, 503, 504)]
    assert list(index["failed"]) == ["sub-verse502"]
    assert index["without_mask"] == ["sub-verse505"]

    # Mended, it is taken in.
    mask.unlink()
    mask.symlink_to(_mask(root, 501).resolve())
    index = prepare_shards(find_cases(root), tmp_path / "shards", PreprocessSpec())
    assert (len(index["cases"]), index["failed"]) == (5, {})


@pytest.mark.parametrize(
    ("cases", "values", "message"),
    [(0, {}, "at least one with a mask"), (1, {"shards_mb": 0}, "shards_mb"), (1, {"workers": 0}, "workers")],
)
def test_what_cannot_be_is_refused(root, tmp_path, cases, values, message):
    with pytest.raises(ValueError, match=message):
        prepare_shards(find_cases(root)[:cases], tmp_path / "shards", SPEC, **values)
