from pathlib import Path

import pytest

from spine_tf.config import PRESETS, to_dict
from spine_tf.data.splits import read_split
from spine_tf.support.errors import RunError
from spine_tf.support.files import write_json
from spine_tf.training.prune_settings import read_settings
from spine_tf.training.run_folder import RunFolder
from tests.support.hostile_json import HOSTILE


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


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_every_reader_refuses_hostile_files_in_one_line_with_their_name(tmp_path, content):
    run = RunFolder(tmp_path)
    readers = {
        run.config: run.read_config,
        run.report: run.read_report,
        run.removed: run.read_removed,
        run.split: lambda: read_split(run.split),
        run.prune_settings: lambda: read_settings(run.path),
    }
    if content != b"[]":
        readers[run.pretrained] = run.read_pretrained
    for path, read in readers.items():
        path.write_bytes(content)
        with pytest.raises(RunError, match=path.name) as caught:
            read()
        assert len(str(caught.value).splitlines()) == 1


def test_values_that_do_not_fit_are_refused_with_the_files_name(tmp_path):
    run = RunFolder(tmp_path)
    write_json(run.config, to_dict(PRESETS["tiny"]) | {"preprocess": {"canonical": "no"}})
    with pytest.raises(RunError, match=r"config\.json: canonical must be a valid boolean. Received: 'no'"):
        run.read_config()
    write_json(run.prune_settings, {"amount": 1.5})
    with pytest.raises(RunError, match=r"prune\.json: amount must be in \[0, 1\)"):
        read_settings(tmp_path)
    write_json(run.removed, {"criterion": "gradient", "amount": 0.5})
    with pytest.raises(RunError, match=r"pruning\.json must have the keys .*no \['filters', 'kept', 'layers'\]"):
        run.read_removed()
    assert run.read_pretrained() == []
