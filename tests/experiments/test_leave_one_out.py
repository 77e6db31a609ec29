import json
import shutil

from spine_tf.data.splits import Split, write_split
from spine_tf.experiments.leave_one_out import score_left_out
from tests.support.markdown import squeezed
from tests.support.scans import bright_block_case


def test_a_trained_fold_is_scored_on_the_scan_it_left_out_alone(threshold_run, tmp_path):
    # The fold is there already, so nothing is trained: a network that finds bright blocks, and two scans with one.
    shutil.copytree(threshold_run, tmp_path / "folds" / "crop")
    cases = [bright_block_case(tmp_path, name) for name in ("crop", "other")]
    write_split(tmp_path / "folds" / "crop" / "split.json", Split([], [], cases))
    (tmp_path / "folds" / "crop" / "report.json").write_text("{}")
    rows = score_left_out(tmp_path / "folds", tmp_path, None, ("crop",), epochs=1)
    assert {row["case"] for row in rows} == {"crop"}
    assert {row["method"] for row in rows} >= {"network"}
    assert next(row["dice"] for row in rows if row["method"] == "network") > 0.8
    assert len(json.loads((tmp_path / "folds" / "scores.json").read_text())) == len(rows)
    assert "| crop |" in squeezed((tmp_path / "folds" / "scores.md").read_text())
    assert json.loads((tmp_path / "folds" / "facts.json").read_text())["folds"] == ["crop"]
