from pathlib import Path

from spine_tf.config import PRESETS, to_dict
from spine_tf.support.files import write_json
from spine_tf.training.run_folder import RunFolder


def test_files_have_the_names_that_stored_runs_have():
    run, names = RunFolder("run"), {}
    for name in vars(RunFolder):
        value = getattr(run, name)
        if isinstance(value, Path | RunFolder):
            names[name] = getattr(value, "path", value).as_posix()
    assert names == {
        "config": "run/config.json",
        "split": "run/split.json",
        "pretrained": "run/pretrained.json",
        "network": "run/best.keras",
        "metadata": "run/metadata.json",
        "checkpoints": "run/checkpoints",
        "history": "run/history.csv",
        "curves": "run/curves.png",
        "tensorboard": "run/tensorboard",
        "report": "run/report.json",
        "cache": "run/cache",
        "synthetic": "run/fresh",
        "evaluation": "run/evaluation",
        "scores": "run/evaluation/scores.json",
        "prune_settings": "run/prune.json",
        "untuned": "run/untuned",
        "removed": "run/pruning.json",
        "verdict": "run/verdict.md",
        "kept_table": "run/layers.csv",
        "kept_picture": "run/kept.png",
    }


def test_a_worker_has_a_folder_of_its_own_but_for_the_chief():
    run = RunFolder(Path("run"))
    assert run.of_worker(0) == run
    assert run.of_worker(2).cache == Path("run/worker-2/cache")


def test_what_is_there_tells_how_far_a_run_has_come(tmp_path):
    run = RunFolder(tmp_path)
    stages = [(run.config, to_dict(PRESETS["tiny"])), (run.report, {"threshold": 0.4})]
    stages += [(run.scores, []), (tmp_path / "evaluation" / "evaluation.json", {})]
    seen = [(run.holds_run, run.finished, run.evaluated)]
    for path, values in stages:
        write_json(path, values)
        seen.append((run.holds_run, run.finished, run.evaluated))
    assert seen == [
        (False, False, False),
        (True, False, False),
        (True, True, False),
        (True, True, False),
        (True, True, True),
    ]
    assert run.read_config() == PRESETS["tiny"]
    assert run.read_report() == {"threshold": 0.4}
    run.report.unlink()
    assert not run.evaluated
