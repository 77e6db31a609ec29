import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from spine_tf.cli.config_flags import parse_config
from spine_tf.config import PRESETS, to_dict


@dataclass(frozen=True)
class Own:
    run: Path = Path("runs/x")
    resume: bool = False


def test_no_flags_are_the_default_preset():
    assert parse_config([]) == PRESETS["small"]


def test_flags_go_over_the_file_and_the_file_over_the_preset(tmp_path):
    file = tmp_path / "c.json"
    file.write_text(json.dumps({"preset": "tiny", "train": {"epochs": 9, "seed": 4}, "data": {"batch_size": 2}}))
    config = parse_config(["--config", str(file), "--epochs", "5", "--window-hu", "-200", "900", "--no-body-box"])
    assert config.preset == "tiny"
    assert (config.train.epochs, config.train.seed, config.data.batch_size) == (5, 4, 2)
    assert config.preprocess.window_hu == (-200, 900)
    assert not config.preprocess.body_box
    assert config.model == PRESETS["tiny"].model


@pytest.mark.parametrize("flag", ["--model", "--architecture"])
def test_another_network_is_asked_for_by_its_name_and_its_encoders(flag):
    config = parse_config([flag, "unet", "--encoder", "resnet34"])
    assert (config.model.architecture, config.model.encoder) == ("unet", "resnet34")


def test_own_flags_come_beside_the_config(tmp_path):
    config, own = parse_config(["--preset", "paper", "--resume", "--run", str(tmp_path)], extra=Own)
    assert config == PRESETS["paper"]
    assert own == Own(tmp_path, True)


def test_a_resumed_run_brings_its_own_config(tmp_path):
    stored = to_dict(PRESETS["tiny"])
    stored["train"]["seed"] = 11
    (tmp_path / "config.json").write_text(json.dumps(stored))
    config, _ = parse_config(["--resume", "--run", str(tmp_path), "--epochs", "8"], extra=Own)
    assert (config.preset, config.train.seed, config.train.epochs) == ("tiny", 11, 8)


@pytest.mark.parametrize(
    "args",
    [
        ["--bogus", "1"],
        ["--image-size", "33"],
        ["--preset", "huge"],
        ["--epochs", "many"],
        ["--config", "missing.json"],
        ["--model", "segnet"],
        ["--model", "unet", "--linknet-encoder", "resnet152"],
        ["--model", "hyperdensenet", "--encoder=resnet34"],
        ["--model", "fpn", "--share-branches"],
    ],
)
def test_bad_flags_end_with_status_2(args, capsys):
    with pytest.raises(SystemExit) as stop:
        parse_config(args)
    assert stop.value.code == 2
    printed = capsys.readouterr()
    assert printed.err or printed.out


def test_flags_of_before_are_those_of_today():
    config = parse_config(["--preset", "tiny", "--max-steps", "20", "--window_cases=3"])
    assert (config.preprocess.max_positions, config.data.cases_open) == (20, 3)


@pytest.mark.parametrize(
    ("flags", "precision"),
    [
        (["--mixed-precision"], "mixed_float16"),
        (["--mixed_precision"], "mixed_float16"),
        (["--no-mixed-precision"], "float32"),
        (["--precision", "mixed_bfloat16"], "mixed_bfloat16"),
        ([], "float32"),
    ],
)
def test_precision_by_its_flag_and_by_the_switch_of_before(flags, precision):
    assert parse_config(["--preset", "tiny", *flags]).train.precision == precision


def test_precision_is_given_once(capsys):
    with pytest.raises(SystemExit) as ended:
        parse_config(["--precision=float32", "--mixed-precision"])
    assert ended.value.code == 2
    assert (
        "error: precision must be given once. Received: --precision=float32 --mixed-precision"
        in capsys.readouterr().err
    )


def test_flags_of_before_are_not_shown(capsys):
    with pytest.raises(SystemExit):
        parse_config(["--help"])
    shown = capsys.readouterr().out
    assert "--max-positions" in shown
    assert "--max-steps" not in shown
    assert "--precision" in shown
    assert "mixed-precision" not in shown


def test_a_flag_that_is_gone_is_refused(capsys):
    with pytest.raises(SystemExit) as ended:
        parse_config(["--data-service", "grpc://host:5050"])
    assert ended.value.code == 2
    assert "data-service" in capsys.readouterr().err
