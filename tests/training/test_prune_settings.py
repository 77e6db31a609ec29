import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from spine_tf.config import PRESETS, to_dict, with_changes
from spine_tf.support.files import write_json
from spine_tf.training.prune_settings import (
    PruneSettings,
    check_resumed,
    read_settings,
    source_config,
    tuning_config,
    write_settings,
)


@pytest.mark.parametrize(
    ("name", "value"), [("amount", 1.0), ("amount", -0.1), ("epochs", 0), ("penalty_weight", -1.0), ("multiple_of", 0)]
)
def test_refuses_what_is_out_of_range(name, value):
    with pytest.raises(ValueError, match=rf"{name} must be .* Received: {name}={value}"):
        PruneSettings(**{name: value})


def test_fine_tuning_is_the_sources_training_at_a_lower_rate_on_other_triplets():
    source = PRESETS["small"]
    config = tuning_config(source, PruneSettings(Path("runs/a"), epochs=3, loss="bce_dice", seed=2))
    assert config.train.learning_rate == pytest.approx(1e-4)
    assert (config.train.epochs, config.train.loss, config.train.seed) == (3, "bce_dice", 3)
    assert config.data.cache == Path("runs/a/cache")
    kept = replace(
        with_changes(config, train={"epochs": 100, "loss": "bce", "seed": 0, "learning_rate": 1e-3}), data=source.data
    )
    assert kept == source


def test_settings_are_read_as_they_were_written_and_only_epochs_may_change(tmp_path):
    settings = PruneSettings(Path("runs/a"), 0.3, "taylor", penalty="l1", control=True)
    write_settings(tmp_path, settings)
    assert read_settings(tmp_path) == settings
    check_resumed(tmp_path, replace(settings, epochs=99))
    with pytest.raises(ValueError, match=r"only epochs may change.*\['amount', 'penalty'\]"):
        check_resumed(tmp_path, replace(settings, amount=0.5, penalty="l2"))
    with pytest.raises(ValueError, match="run must be the folder of a pruned run"):
        read_settings(tmp_path / "elsewhere")


def test_a_source_is_a_whole_run(tmp_path):
    for name in ("config.json", "split.json", "best.keras", "metadata.json"):
        (tmp_path / name).write_text("{}")
    write_json(tmp_path / "config.json", to_dict(PRESETS["tiny"]))
    assert source_config(tmp_path) == PRESETS["tiny"]
    shutil.move(tmp_path / "split.json", tmp_path / "other.json")
    with pytest.raises(ValueError, match="source must be the folder of a trained run"):
        source_config(tmp_path)
