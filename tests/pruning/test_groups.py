"""Which filters belong together, on networks whose groups can be told by eye."""

import keras
import numpy as np
import pytest
from keras import layers

from spine_tf.config import VIEWS
from spine_tf.models.attention import ChannelPool
from spine_tf.models.attention_linknet import BatchToChannels, ViewsToBatch
from spine_tf.pruning.groups import Count, find_groups

SIDE = 4


def image(channels=3, name="image"):
    return keras.Input((SIDE, SIDE, channels), name=name)


def conv(filters, name, **arguments):
    return layers.Conv2D(filters, 1, name=name, **arguments)


def groups_of(inputs, outputs) -> list[list[str]]:
    """Each group as ["a0", "b0"]: filter 0 of layer a and filter 0 of layer b."""
    groups = find_groups(keras.Model(inputs, outputs)).groups
    return sorted(sorted(f"{layer}{index}" for layer, index in group.filters) for group in groups)


def test_every_filter_of_a_chain_is_a_group_and_the_output_is_in_none():
    x = image()
    model = keras.Model(x, conv(1, "head")(conv(2, "a", activation="relu")(x)))
    structure = find_groups(model)
    assert [group.filters for group in structure.groups] == [(("a", 0),), (("a", 1),)]
    assert structure.whole == {"head": "is an output of the model"}
    assert structure.prunable == 2
    assert structure.counts([1]) == [Count("a", 2, 2, 1), Count("head", 1, 0, 0)]
    assert structure.counts([1])[0].kept == 1
    assert structure.share([1]) == 0.5


def test_what_is_added_goes_together():
    x = image()
    a, b = conv(2, "a")(x), conv(2, "b")(x)
    assert groups_of(x, conv(1, "head")(layers.Add()([a, b]))) == [["a0", "b0"], ["a1", "b1"]]


def test_what_is_added_to_the_input_stays():
    x = image(2)
    structure = find_groups(keras.Model(x, conv(1, "head")(layers.Add()([conv(2, "a")(x), x]))))
    assert structure.groups == ()
    assert structure.whole["a"] == "meets the model's input 'image'"


def test_concatenation_keeps_its_parts_apart_and_shifts_their_places():
    x = image()
    parts = layers.Concatenate()([conv(1, "a")(x), conv(2, "b")(x)])
    added = layers.Add()([parts, conv(3, "c")(x)])
    assert groups_of(x, conv(1, "head")(added)) == [["b0", "c1"], ["b1", "c2"]]
    # a0 is all that layer a has, so that c0 stays with it.
    assert find_groups(keras.Model(x, conv(1, "head")(added))).whole["c"] == "is all that 'a' has"


def test_depthwise_filters_go_with_their_channel():
    x = image()
    y = layers.DepthwiseConv2D(3, depth_multiplier=2, name="d")(conv(2, "a")(x))
    assert groups_of(x, conv(1, "head")(y)) == [["a0", "d0", "d1"], ["a1", "d2", "d3"]]


def test_squeeze_excite_goes_with_the_channels_it_weighs():
    x = image()
    a = conv(2, "a")(x)
    gate = conv(3, "reduce", activation="relu")(layers.GlobalAveragePooling2D(keepdims=True)(a))
    gate = conv(2, "expand", activation="sigmoid")(gate)
    expected = [["a0", "expand0"], ["a1", "expand1"], ["reduce0"], ["reduce1"], ["reduce2"]]
    assert groups_of(x, conv(1, "head")(layers.Multiply()([a, gate]))) == expected


def test_spatial_attention_is_laid_over_all_channels_and_stays():
    x = image()
    a = conv(2, "a")(x)
    weights = conv(1, "spatial", activation="sigmoid")(ChannelPool()(a))
    structure = find_groups(keras.Model(x, conv(1, "head")(layers.Multiply(name="times")([a, weights]))))
    assert [group.filters for group in structure.groups] == [(("a", 0),), (("a", 1),)]
    assert structure.whole["spatial"] == "is laid over all channels in 'times'"


def test_a_constant_that_would_be_left_behind_keeps_its_channels():
    x = image()
    y = conv(1, "head")(conv(2, "a", activation="sigmoid")(x))
    structure = find_groups(keras.Model(x, y))
    assert structure.groups == ()
    assert structure.whole["a"] == "reaches 'head' as a constant other than zero once zeroed"
    # With gamma and beta at zero the constant ends there.
    y = conv(1, "head")(layers.BatchNormalization()(conv(2, "a", activation="sigmoid")(x)))
    assert groups_of(x, y) == [["a0"], ["a1"]]
    y = conv(1, "head")(layers.BatchNormalization(scale=False)(conv(2, "a", activation="sigmoid")(x)))
    assert groups_of(x, y) == []


def test_a_sum_vanishes_where_all_of_it_does_and_a_product_where_a_part_does():
    x = image()
    for merge, expected in ((layers.Add, []), (layers.Multiply, [["a0", "b0"], ["a1", "b1"]])):
        y = merge()([conv(2, "a", activation="sigmoid")(x), conv(2, "b")(x)])
        assert groups_of(x, conv(1, "head")(y)) == expected


def test_rescaling_with_an_offset_leaves_a_constant():
    x = image()
    assert groups_of(x, conv(1, "head")(layers.Rescaling(2.0)(conv(2, "a")(x)))) == [["a0"], ["a1"]]
    assert groups_of(x, conv(1, "head")(layers.Rescaling(2.0, offset=1.0)(conv(2, "a")(x)))) == []


def test_a_scale_for_every_channel_keeps_them():
    x = image()
    structure = find_groups(keras.Model(x, conv(1, "head")(layers.Rescaling([1.0, 2.0], name="s")(conv(2, "a")(x)))))
    assert structure.whole == {"a": "has a scale of its own in 's'", "head": "is an output of the model"}


def test_a_softmax_over_channels_keeps_them():
    x = image()
    structure = find_groups(keras.Model(x, conv(1, "head")(layers.Activation("softmax", name="s")(conv(2, "a")(x)))))
    assert structure.groups == ()
    assert structure.whole["a"] == "touches 's' (Activation), an activation that mixes channels or cannot be tested"


def test_a_layer_without_a_rule_is_named():
    x = image()
    y = layers.LayerNormalization(name="norm")(conv(2, "a")(x))
    structure = find_groups(keras.Model(x, conv(1, "head")(conv(2, "b")(y))))
    assert [group.filters for group in structure.groups] == [(("b", 0),), (("b", 1),)]
    assert structure.whole["a"] == "touches 'norm' (LayerNormalization), a kind of layer that no rule describes"
    assert structure.whole["norm"] == "is a kind of layer that no rule describes"


def test_a_subclass_has_the_rule_of_its_parent_only_if_it_does_the_same():
    class Same(layers.Dropout):
        def get_config(self):
            return super().get_config()

    class Other(layers.Dropout):
        def call(self, x):
            return x[..., ::-1]

    x = image()
    assert groups_of(x, conv(1, "head")(Same(0.5)(conv(2, "a")(x)))) == [["a0"], ["a1"]]
    assert groups_of(x, conv(1, "head")(Other(0.5)(conv(2, "a")(x)))) == []


@pytest.mark.parametrize(
    "layer",
    [
        layers.Conv2D(4, 1, groups=2, name="y"),
        layers.BatchNormalization(axis=1, name="y"),
        layers.Permute((3, 1, 2), name="y"),
        layers.Reshape((SIDE, SIDE * 2, 2), name="y"),
        layers.Dropout(0.5, noise_shape=(None, 1, 1, 4), name="y"),
        layers.Resizing(2, 6, pad_to_aspect_ratio=True, fill_value=1.0, name="y"),
    ],
)
def test_what_a_rule_does_not_understand_stays(layer):
    x = image()
    structure = find_groups(keras.Model(x, conv(1, "head")(layer(conv(4, "a")(x)))))
    assert not [group for group in structure.groups if group.filters[0][0] == "a"]
    assert structure.whole["a"].startswith(f"touches 'y' ({type(layer).__name__}), a ")
    assert structure.whole["y"].startswith("is a ")


def test_a_shared_layer_links_the_channels_of_its_calls():
    x = image()
    shared = conv(2, "shared")
    y = layers.Concatenate()([shared(conv(2, "a")(x)), shared(conv(2, "b")(x))])
    # Both inputs meet the one kernel; both outputs are made by its one filter.
    assert groups_of(x, conv(1, "head")(y)) == [["a0", "b0"], ["a1", "b1"], ["shared0"], ["shared1"]]


def test_nested_models_are_opened_and_addressed_by_path():
    x = image()
    inner = keras.Input((SIDE, SIDE, 2))
    part = keras.Model(inner, layers.Add()([inner, conv(2, "in")(inner)]), name="part")
    assert groups_of(x, conv(1, "head")(part(conv(2, "a")(x)))) == [["a0", "part/in0"], ["a1", "part/in1"]]


def test_a_channel_appears_once_for_every_view():
    inputs = [image(name=view) for view in VIEWS]
    y = BatchToChannels(3)(conv(2, "a")(ViewsToBatch()(inputs)))  # channels a0 a1 a0 a1 a0 a1
    y = layers.Add()([y, conv(6, "b")(layers.Concatenate()(inputs))])
    assert groups_of(inputs, conv(1, "head")(y)) == [["a0", "b0", "b2", "b4"], ["a1", "b1", "b3", "b5"]]


def test_flattening_repeats_a_channel_for_every_place():
    x = image()
    model = keras.Model(x, layers.Dense(1)(layers.Flatten()(conv(2, "a")(x))))
    structure = find_groups(model)
    kernel = [part for part in structure.slices if part.layer is model.layers[-1] and part.weight == "kernel"]
    rows = next(part.channels for part in kernel if part.axis == 0)
    np.testing.assert_array_equal(rows, [0, 1] * SIDE * SIDE)


def test_blocks_are_groups_with_the_same_layers():
    x = image()
    added = layers.Add()([layers.Concatenate()([conv(2, "a")(x), conv(2, "b")(x)]), conv(4, "c")(x)])
    structure = find_groups(keras.Model(x, conv(1, "head")(added)))
    assert [[structure.groups[number].filters[0][0] for number in block] for block in structure.blocks] == [
        ["a", "a"],
        ["b", "b"],
    ]
