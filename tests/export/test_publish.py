import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from spine_tf.config import PRESETS, to_dict
from spine_tf.data import Case
from spine_tf.data.splits import Split, write_split
from spine_tf.export.publish import publish_run
from spine_tf.inference.engines import load_engine
from spine_tf.inference.engines.manifest import verify_manifest
from spine_tf.scoring import write_scores
from spine_tf.support.environment import describe_environment


@pytest.fixture
def run(threshold_run, tmp_path):
    """A finished run: its network is real, its report and scores are written by hand."""
    folder = shutil.copytree(threshold_run, tmp_path / "run")
    seen = [
        Case("sub-verse014", "verse014", Path("ct"), Path("msk"), source="VerSe'19 (CC BY-SA 4.0)"),
        Case("phantom1", "phantom1", Path("ct"), Path("msk"), source="phantom (random)"),
    ]
    write_split(
        folder / "split.json", Split(seen, [], [Case("crop", "crop", Path("ct"), Path("msk"), source="a wheel")])
    )
    training = {"epochs": 3, "seconds": 120.0}
    report = {
        "config": to_dict(PRESETS["small"]),
        "training": training,
        "threshold": 0.45,
        "label_maps": ["verse004"],
        "pretrained": [{"flag": "encoder_weights", "source": "some wheel", "licence": "Apache-2.0"}],
        "environment": describe_environment(),
    }
    (folder / "report.json").write_text(json.dumps(report))
    row = {"case": "crop", "role": "held out", "method": "network", "dice": 0.75}
    write_scores(folder / "evaluation", [row, row | {"role": "seen in training", "dice": 0.99}])
    return folder


def test_a_published_model_predicts_as_the_run_does_and_names_its_data_and_scores(run, tmp_path):
    publish_run(run, tmp_path / "models" / "spine-test")
    verify_manifest(tmp_path / "models" / "spine-test")
    assert {path.name for path in (tmp_path / "models").iterdir()} == {"spine-test"}
    views = [np.random.default_rng(i).random((2, 32, 32, 3), np.float32) for i in range(3)]
    one, two = load_engine(run), load_engine(tmp_path / "models" / "spine-test")
    np.testing.assert_allclose(one.predict(*views), two.predict(*views), atol=1e-3)
    assert two.spec == one.spec
    text = (tmp_path / "models" / "spine-test" / "README.md").read_text()
    for fact in ("CC BY-SA 4.0", "crop", "0.750", "verse004", "some wheel", "Apache-2.0"):
        assert fact in text
    assert "0.990" not in text
    assert "phantom1" not in text


def test_an_unfinished_run_is_refused(run, tmp_path):
    (run / "report.json").unlink()
    with pytest.raises(ValueError, match=r"trained and evaluated. Received: .* without \['report.json'\]"):
        publish_run(run, tmp_path / "models" / "spine-test")
    assert not (tmp_path / "models").exists()


@pytest.mark.slow
def test_a_file_that_is_too_large_is_not_published(run, tmp_path):
    publish_run(run, tmp_path / "models" / "spine-test")
    before = (tmp_path / "models" / "spine-test" / "README.md").read_text()
    with pytest.raises(ValueError, match=r"at most 0\.001 MB"):
        publish_run(run, tmp_path / "models" / "spine-test", largest_mb=0.001)
    assert (tmp_path / "models" / "spine-test" / "README.md").read_text() == before
    assert {path.name for path in (tmp_path / "models").iterdir()} == {"spine-test"}
