"""Values of other types than a field's, as a damaged or hostile file holds them."""

import json
import math

import pytest

from spine_tf.config import (
    PRESETS,
    AugmentConfig,
    DataConfig,
    ModelConfig,
    PreprocessSpec,
    PruneSettings,
    TrainConfig,
    config_from_dict,
    spec_from_dict,
)


@pytest.mark.parametrize(
    ("cls", "field", "value", "expected"),
    [
        (PreprocessSpec, "window_hu", "ab", "a valid array"),
        (PreprocessSpec, "window_hu", [1.0], "given"),
        (PreprocessSpec, "window_hu", [1.0, 2.0, 3.0], r"as declared \(Tuple should have at most 2 items"),
        (PreprocessSpec, "window_hu", [-1.0, math.inf], "finite"),
        (PreprocessSpec, "normalise", "bogus", "one of 'window' or 'scan'"),
        (PreprocessSpec, "pixel_mm", math.inf, "finite"),
        (PreprocessSpec, "threshold", math.nan, "finite"),
        (PreprocessSpec, "canonical", "no", "a valid boolean"),
        (PreprocessSpec, "canonical", 1, "a valid boolean"),
        (PreprocessSpec, "threshold", True, "a valid number"),
        (PreprocessSpec, "image_size", 64.0, "a valid integer"),
        (PreprocessSpec, "image_size", None, "a valid integer"),
        (ModelConfig, "attention", ["cbam"], "one of 'cbam', 'se' or 'none'"),
        (DataConfig, "cache", 5, "a valid string"),
        (DataConfig, "hold_out", "tptbox-l3", "a valid array"),
        (AugmentConfig, "noise", math.nan, "finite"),
        (TrainConfig, "epochs", "3", "a valid integer"),
        (PruneSettings, "source", {"a": 1}, "a valid string"),
        (PruneSettings, "amount", -math.inf, "finite"),
    ],
)
def test_a_value_of_another_type_is_refused_in_one_line_that_names_the_field(cls, field, value, expected):
    with pytest.raises(ValueError, match=rf"^{field}[.\d]* must be {expected}.* Received: ") as caught:
        spec_from_dict(cls, {field: value})
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("values", [None, 5, "config", [], [["preset", "tiny"]]])
def test_what_is_no_object_is_no_config(values):
    with pytest.raises(ValueError, match="config must be an object of named values"):
        config_from_dict(values)
    with pytest.raises(ValueError, match="PreprocessSpec must be an object of named values"):
        spec_from_dict(PreprocessSpec, values)
    with pytest.raises(ValueError, match="train must be an object of named values"):
        config_from_dict({"train": values})


@pytest.mark.parametrize("preset", [[], 5, None])
def test_a_preset_is_a_name(preset):
    with pytest.raises(ValueError, match="preset must be one of"):
        config_from_dict({"preset": preset})


def test_whole_numbers_are_floats_too():
    spec = spec_from_dict(PreprocessSpec, json.loads('{"window_hu": [-300, 1300], "smoothing_mm": 0}'))
    assert spec == PreprocessSpec()
    assert isinstance(spec.smoothing_mm, float)


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_flags_and_code_cannot_give_what_is_not_finite_either(value):
    with pytest.raises(ValueError, match="zoom must be finite"):
        AugmentConfig(zoom=value)
    with pytest.raises(ValueError, match="coarse_pixel_mm must be finite"):
        PreprocessSpec(coarse_pixel_mm=value)
    assert math.isfinite(PRESETS["paper"].train.learning_rate)
