import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spine_tf.config import PRESETS, Config, to_dict, with_changes
from spine_tf.data.splits import read_split
from spine_tf.export.restore import restore_run
from spine_tf.inference.engines import load_engine
from spine_tf.support.files import write_json
from spine_tf.training.prune_settings import source_config


@pytest.fixture
def config(six_scans) -> Config:
    spec = {"image_size": 32, "smoothing_mm": 0.0, "body_box": False}
    scans = {"images": str(six_scans / "ct" / "*.nii.gz"), "masks": str(six_scans / "masks" / "*.nii.gz")}
    return with_changes(PRESETS["tiny"], preprocess=spec, data=scans)


@pytest.fixture
def published(threshold_run, config, tmp_path) -> Path:
    folder = tmp_path / "published"
    folder.mkdir()
    shutil.copyfile(threshold_run / "best.keras", folder / "model.keras")
    spec = replace(config.preprocess, threshold=0.4)
    metadata = {"preprocess": to_dict(spec), "model": to_dict(config.model), "pretrained": [{"flag": "none"}]}
    write_json(folder / "metadata.json", metadata)
    return folder


def test_a_restored_run_can_be_pruned_and_predicts_with_the_chosen_threshold(published, config, tmp_path):
    run = tmp_path / "run"
    restore_run(published, config, run, tmp_path)
    assert source_config(run) == config
    assert load_engine(run).spec.threshold == 0.4
    split = read_split(run / "split.json")
    # Of six scans a fifth, rounded up, for the test.
    assert (len(split.train) + len(split.val), len(split.test)) == (4, 2)
    assert json.loads((run / "pretrained.json").read_text()) == [{"flag": "none"}]
    views = [np.random.default_rng(i).random((2, 32, 32, 3), np.float32) for i in range(3)]
    one, two = load_engine(run), load_engine(published)
    np.testing.assert_array_equal(one.predict(*views), two.predict(*views))


def test_another_recipe_or_a_folder_in_use_is_refused(published, config, tmp_path):
    other = with_changes(config, preprocess={"pixel_mm": 2.0})
    with pytest.raises(ValueError, match=r"Received: other \['preprocess.pixel_mm'\]"):
        restore_run(published, other, tmp_path / "run", tmp_path)
    assert not (tmp_path / "run").exists()
    restore_run(published, config, tmp_path / "run", tmp_path)
    with pytest.raises(ValueError, match="run must be a new folder"):
        restore_run(published, config, tmp_path / "run", tmp_path)
