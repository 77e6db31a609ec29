"""`models/precision.py`: a network of mixed precision, in float32 again."""

import keras
import numpy as np
import pytest

from spine_tf.config import PRESETS, VIEWS
from spine_tf.models import build_model
from spine_tf.models.precision import in_float32


def built(precision: str) -> keras.Model:
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        keras.utils.set_random_seed(0)
        return build_model(PRESETS["tiny"].model, 32)
    finally:
        keras.config.set_dtype_policy(policy)


@pytest.mark.parametrize("precision", ["mixed_float16", pytest.param("mixed_bfloat16", marks=pytest.mark.slow)])
def test_it_is_the_network_that_float32_would_have_built(precision):
    plain, mixed = built("float32"), built(precision)
    restored = in_float32(mixed)
    assert {layer.compute_dtype for layer in restored.layers} == {"float32"}
    assert [layer.name for layer in restored.layers] == [layer.name for layer in plain.layers]
    plain.set_weights(mixed.get_weights())
    views = {view: np.random.default_rng(0).random((1, 32, 32, 3), np.float32) for view in VIEWS}
    np.testing.assert_array_equal(restored(views), plain(views))
    # The bilinear enlarging is in float32 in each of them.
    assert mixed.get_layer("axial_block4_resize").compute_dtype == "float32"
    assert mixed.get_layer("axial_block4_projection").compute_dtype == precision.removeprefix("mixed_")


def test_a_network_in_float32_is_left_as_it_is():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    assert in_float32(model) is model


def test_other_variables_are_refused():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, dtype="float16")])
    with pytest.raises(ValueError, match=r"float32 variables. Received: .* with \['float16'\]"):
        in_float32(model)
