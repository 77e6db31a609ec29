"""Multiply-adds of networks small enough to count by hand."""

from dataclasses import replace

import keras
import pytest
from keras import layers

from spine_tf.config import PRESETS
from spine_tf.models import build_model
from spine_tf.models.flops import multiply_adds


def test_two_layers():
    x = keras.Input((8, 8, 3))
    y = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu")(x)
    y = layers.Dense(5)(layers.Flatten()(layers.BatchNormalization()(y)))
    # 4 x 4 pixels of 4 filters, each of 3 x 3 x 3; then 64 x 5.
    assert multiply_adds(keras.Model(x, y)) == 4 * 4 * 4 * 27 + 64 * 5


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2), 8 * 8 * 6 * 9),
        (layers.Conv2D(6, 1, groups=3), 8 * 8 * 6 * 1),
        # Every pixel of the input is spread over 2 x 2 pixels of 5 channels.
        (layers.Conv2DTranspose(5, 2, strides=2), 8 * 8 * 3 * 4 * 5),
        # The same 3 x 7 weights at each of 8 x 8 pixels.
        (layers.Dense(7), 8 * 8 * 3 * 7),
        (layers.UpSampling2D(2, interpolation="bilinear"), 0),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_one_layer(layer, expected):
    x = keras.Input((8, 8, 3))
    assert multiply_adds(keras.Model(x, layer(x))) == expected


def test_three_axes():
    x = keras.Input((4, 4, 4, 2))
    y = layers.Conv3DTranspose(5, 2, strides=2)(layers.Conv3D(3, 1)(x))
    assert multiply_adds(keras.Model(x, y)) == 4**3 * 3 * 2 + 4**3 * 3 * 8 * 5


def test_a_layer_counts_as_often_as_it_is_called():
    x, conv = keras.Input((8, 8, 3)), layers.Conv2D(3, 1)
    assert multiply_adds(keras.Model(x, conv(conv(x)))) == 2 * 8 * 8 * 3 * 3


def test_one_branch_for_three_views_costs_what_three_cost():
    tiny = PRESETS["tiny"].model
    three, one = (build_model(replace(tiny, share_branches=shared), 32) for shared in (False, True))
    assert one.count_params() < three.count_params()
    assert multiply_adds(one) == multiply_adds(three) > 1e6


def test_sizes_must_be_known():
    x = keras.Input((None, 8, 3))
    with pytest.raises(ValueError, match="model must have inputs of known size"):
        multiply_adds(keras.Model(x, layers.Conv2D(4, 3)(x)))
