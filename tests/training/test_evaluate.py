import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from spine_tf.data.splits import Split, write_split
from spine_tf.training.evaluate import evaluate_run
from tests.support.scans import bright_block_case, bright_block_hu


@pytest.fixture
def run(threshold_run, tmp_path) -> Path:
    shutil.copytree(threshold_run, tmp_path / "run")
    split = Split(train=[bright_block_case(tmp_path, "seen")], val=[], test=[bright_block_case(tmp_path, "unseen")])
    write_split(tmp_path / "run" / "split.json", split)
    return tmp_path / "run"


def test_every_table_has_network_and_baselines_and_says_what_was_seen(run, tmp_path):
    rows = evaluate_run(run, tmp_path / "scores", also_seen=["seen"])
    cases = [row for row in rows if not row["case"].startswith("mean")]
    assert {(row["case"], row["role"]) for row in cases} == {("unseen", "held out"), ("seen", "seen in training")}
    methods = {row["method"] for row in cases}
    assert methods == {"network", "HU threshold + largest component", "everything foreground"}
    dice = {(row["case"], row["method"]): row["dice"] for row in cases}
    assert dice["unseen", "network"] > 0.9
    # The block is 14 x 15 x 10 of 32 x 28 x 20 voxels.
    assert dice["unseen", "everything foreground"] == pytest.approx(2 * 2100 / (2100 + 17920))
    names = {path.name for path in (tmp_path / "scores").iterdir()}
    assert {"scores.json", "scores.csv", "curves.png"} <= names
    assert {"unseen_seg-spine_snp.png", "unseen_seg-spine_errors.png"} <= names
    stored = json.loads((tmp_path / "scores" / "scores.json").read_text())
    assert [row["dice"] for row in stored] == [row["dice"] for row in rows]
    written = np.asarray(nib.load(tmp_path / "scores" / "unseen_seg-spine_msk.nii.gz").dataobj).astype(bool)
    truth = bright_block_hu() == 1000
    assert 2 * (written & truth).sum() / (written.sum() + truth.sum()) == pytest.approx(dice["unseen", "network"])


def test_only_training_cases_can_be_shown_as_seen(run, tmp_path):
    with pytest.raises(ValueError, match=r"also_seen must name training cases.*unseen"):
        evaluate_run(run, tmp_path, also_seen=["unseen"])
