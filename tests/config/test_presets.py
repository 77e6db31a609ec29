import json
from pathlib import Path

import pytest

from spine_tf.config import (
    ARCHITECTURES,
    PRESETS,
    SECTIONS,
    Config,
    DataConfig,
    ModelConfig,
    PreprocessSpec,
    config_from_dict,
    differing_fields,
    spec_from_dict,
    to_dict,
    with_changes,
)


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_a_config_survives_json(preset):
    config = PRESETS[preset]
    assert config_from_dict(json.loads(json.dumps(to_dict(config)))) == config


def test_paths_and_tuples_survive_json():
    data = DataConfig(data=Path("verse"), cache=Path("c"), hold_out=("one", "two"))
    assert spec_from_dict(DataConfig, to_dict(data)) == data
    spec = PreprocessSpec(window_hu=(-100.0, 900.0))
    assert spec_from_dict(PreprocessSpec, to_dict(spec)) == spec


def test_a_part_of_a_config_changes_only_that():
    config = config_from_dict({"train": {"epochs": 3}}, PRESETS["tiny"])
    assert config.train.epochs == 3
    assert config.model == PRESETS["tiny"].model


def test_changes_of_two_sections_leave_the_rest_and_the_config_itself_as_they_were():
    tiny = PRESETS["tiny"]
    changed = with_changes(tiny, train={"epochs": 9, "loss": "bce_dice"}, data={"batch_size": 2})
    assert (changed.train.epochs, changed.train.loss, changed.data.batch_size) == (9, "bce_dice", 2)
    assert (tiny.train.epochs, tiny.train.loss, tiny.data.batch_size) == (2, "bce", 4)
    assert with_changes(changed, train={"epochs": 2, "loss": "bce"}, data={"batch_size": 4}) == tiny
    with pytest.raises(ValueError, match="batch_size must be"):
        with_changes(tiny, data={"batch_size": 0})


def test_fields_that_differ_are_named_and_the_presets_name_does_not_count():
    tiny = PRESETS["tiny"]
    other = with_changes(tiny, train={"seed": 1, "epochs": 9}, data={"cache": Path("c")})
    assert differing_fields(tiny, other) == ["data.cache", "train.epochs", "train.seed"]
    assert differing_fields(tiny, config_from_dict(to_dict(tiny) | {"preset": "small"})) == []


def test_a_config_from_before_there_were_other_networks_is_that_of_the_proposed_one():
    values = to_dict(PRESETS["tiny"])
    del values["model"]["architecture"], values["model"]["stream_width"]
    assert config_from_dict(values) == PRESETS["tiny"]
    assert PRESETS["tiny"].model.architecture == "attention_linknet"


def test_every_architecture_reads_fields_of_the_config_and_takes_the_encoders_of_every_preset():
    fields = set(ModelConfig.__dataclass_fields__)
    assert set().union(*ARCHITECTURES.values()) == fields - {"architecture", "norm_momentum"}
    for preset in PRESETS:
        for name in ARCHITECTURES:
            assert config_from_dict({"model": {"architecture": name}}, PRESETS[preset]).model.architecture == name


def test_field_names_are_unique_since_they_are_flags():
    names = [name for section in SECTIONS.values() for name in section.__dataclass_fields__]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"preset": "huge"}, "preset must be one of"),
        ({"trian": {}}, "config must be made of"),
        ({"train": {"epoch": 1}}, "TrainConfig must be made of"),
        ({"preprocess": {"image_size": 100}}, "image_size must be a multiple of 32"),
        ({"preprocess": {"window_hu": [5, 5]}}, "window_hu must be"),
        ({"preprocess": {"threshold": 1.0}}, "threshold must be between 0 and 1"),
        ({"data": {"val_fraction": 1.0}}, "val_fraction must be in"),
        ({"data": {"images": "*.nii"}}, "images must be given together with masks"),
        ({"data": {"data": "verse", "shards": "shards"}}, "shards must be None when data or images are given"),
        ({"data": {"cases_open": 0}}, "cases_open must be positive"),
        ({"data": {"inference_like": 0.4}}, "inference_like must be in"),
        ({"train": {"epochs": 0}}, "epochs must be positive"),
        ({"train": {"plateau_factor": 1.0}}, "plateau_factor must be"),
        ({"model": {"fusion_filters": 0}}, "fusion_filters must be positive"),
        ({"model": {"norm_momentum": 1.0}}, "norm_momentum must be between 0 and 1"),
        ({"model": {"architecture": "segnet"}}, "architecture must be one of"),
        ({"model": {"architecture": "unet", "share_branches": True}}, "share_branches must be False for .*'unet'"),
        ({"model": {"architecture": "fpn", "decoder": "upsampling"}}, "decoder must be 'transpose' for .*'fpn'"),
        ({"model": {"stream_width": 0.5}}, "stream_width must be 1.0 for architecture='attention_linknet'"),
        ({"model": {"architecture": "hyperdensenet", "stream_width": 0.0}}, "stream_width must be positive"),
        (
            {"model": {"architecture": "stacked_linknet"}, "train": {"encoder_weights": "imagenet"}},
            "encoder_weights must be 'none' or a path for architecture='stacked_linknet'",
        ),
        (
            {"model": {"architecture": "unet"}, "train": {"linknet_weights": "astra"}},
            "linknet_weights must be 'none' for architecture='unet'",
        ),
        ({"preprocess": {"pixel_mm": 0.0}}, "pixel_mm must be None or positive"),
        ({"preprocess": {"coarse_pixel_mm": -1.0}}, "coarse_pixel_mm must be positive"),
        ({"data": {"synthetic": -1}}, "synthetic must be at least 0"),
        ({"data": {"phantom_share": 1.5}}, "phantom_share must be in"),
    ],
)
def test_what_cannot_be_is_refused_by_name(values, message):
    with pytest.raises(ValueError, match=message):
        config_from_dict(values, Config())
