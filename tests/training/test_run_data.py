import multiprocessing
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spine_tf.config import PRESETS, Config, with_changes
from spine_tf.data.shards_read import ShardError, read_index
from spine_tf.data.shards_write import prepare_shards
from spine_tf.data.splits import write_split
from spine_tf.data.verse import pair_globs
from spine_tf.training.evaluate import evaluate_run
from spine_tf.training.run import choose_threshold, train_run
from spine_tf.training.run_data import find_split, training_data


@pytest.fixture
def config(six_scans, tmp_path) -> Config:
    """Preset `tiny` on shards of six scans that are no longer there."""
    tiny = PRESETS["tiny"]
    scans = Path(shutil.copytree(six_scans, tmp_path / "scans"))
    cases = pair_globs(str(scans / "ct" / "*.nii.gz"), str(scans / "masks" / "*.nii.gz"))
    prepare_shards(cases, tmp_path / "shards", tiny.preprocess)
    shutil.rmtree(scans)
    return with_changes(
        tiny,
        data={"shards": tmp_path / "shards", "cases_open": 2, "val_fraction": 0.25},
        augment={"min_box_mm": 10.0},
        train={"epochs": 1},
    )


def test_the_split_is_by_what_the_index_tells(config, tmp_path):
    split, _ = find_split(config, tmp_path)
    sizes = [len(cases) for cases in (split.train, split.val, split.test)]
    assert sizes == [3, 1, 2]
    shard = tmp_path / "shards" / "shard-00000.tfrecord"
    assert {case.image for case in [*split.train, *split.val, *split.test]} == {shard}
    with training_data(config, tmp_path / "run", tmp_path, split) as data:
        assert data.steps == 3 * config.data.triplets_per_case // config.data.batch_size
        ((images, mask),) = data.dataset(0).take(1)
        assert images["axial"].shape == mask.shape == (4, 32, 32, 3)
        assert sum(len(mask) for _, mask in data.validation) == 16
        assert not list(tmp_path.glob("run/cache/*"))


@pytest.mark.parametrize("source", ["shards", "files"])
def test_processes_feed_a_training_as_threads_do(config, six_scans, tmp_path, source):
    if source == "files":
        globs = {"images": str(six_scans / "ct" / "*.nii.gz"), "masks": str(six_scans / "masks" / "*.nii.gz")}
        config = with_changes(config, data={"shards": None, **globs})
    split, _ = find_split(config, tmp_path)
    fed = {}
    for workers in (2, 3):
        changed = with_changes(config, data={"workers": workers})
        with training_data(changed, tmp_path / "run", tmp_path, split) as data:
            fed[workers] = [(images["sagittal"].numpy(), mask.numpy()) for images, mask in data.dataset(0).take(3)]
            assert bool(multiprocessing.active_children()) == (workers == 3)
    for one, other in zip(fed[2], fed[3], strict=True):
        for here, there in zip(one, other, strict=True):
            np.testing.assert_array_equal(here, there)


def test_whole_scans_for_the_threshold_and_the_scores_come_from_the_shards(config, threshold_run, tmp_path):
    run = Path(shutil.copytree(threshold_run, tmp_path / "run"))
    split, _ = find_split(config, tmp_path)
    write_split(run / "split.json", split)
    # The network calls bright pixels spine, and bright blocks are the spine.
    threshold, scores = choose_threshold(run, split.val)
    assert scores[f"{threshold:g}"] > 0.9
    rows = [row for row in evaluate_run(run, tmp_path / "scores") if row["method"] == "network"]
    assert {case.case_id for case in split.test} <= {row["case"] for row in rows}
    assert all(row["dice"] > 0.9 for row in rows)


def test_a_damaged_record_is_one_line_in_training_too(config, tmp_path):
    split, _ = find_split(config, tmp_path)
    shard = tmp_path / "shards" / "shard-00000.tfrecord"
    content = bytearray(shard.read_bytes())
    entries = {entry["case_id"]: entry for entry in read_index(tmp_path / "shards")["cases"]}
    content[entries[split.train[0].case_id]["offset"] + 1000] ^= 1
    shard.write_bytes(content)
    said = rf"^shard-00000\.tfrecord, case {split.train[0].case_id}: the record must have SHA-256 [^\n]*$"
    with pytest.raises(ShardError, match=said), training_data(config, tmp_path / "run", tmp_path, split) as data:
        for _ in data.dataset(0).take(data.steps):
            pass


@pytest.mark.slow
def test_a_run_from_shards_needs_no_scans(config, tmp_path):
    report = train_run(config, tmp_path / "run", tmp_path)
    assert [len(report["cases"][role]) for role in ("train", "val", "test")] == [3, 1, 2]
    assert len(report["threshold_dice"]) == 13


def test_shards_of_another_spec_or_without_a_case_of_the_split_are_refused(config, tmp_path):
    split, _ = find_split(config, tmp_path)
    other = with_changes(config, preprocess={"body_box": False})
    with pytest.raises(ShardError, match="prepare again"), training_data(other, tmp_path / "run", tmp_path, split):
        pass
    entries = read_index(tmp_path / "shards")["cases"]
    gone = replace(split, train=[replace(split.train[0], case_id="gone"), *split.train[1:]])
    assert "gone" not in {entry["case_id"] for entry in entries}
    missing = r"every case of the split\. Received: \['gone'\]"
    with pytest.raises(ShardError, match=missing), training_data(config, tmp_path / "run", tmp_path, gone):
        pass
