"""Every kind of layer that has a rule, between two convolutions of which filters are removed."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from spine_tf.models.attention import ChannelPool, GlobalMaximum
from spine_tf.models.attention_linknet import BatchToChannels, ViewsToBatch
from spine_tf.models.layers import Excite, FusedBatchNormalization, NormalizedSwish
from spine_tf.pruning.groups import find_groups
from spine_tf.pruning.rules import RULES, rule_for
from spine_tf.pruning.rules_plain import zero_stays_zero
from spine_tf.pruning.surgery import remove_filters
from spine_tf.pruning.weight_masks import zero_groups

CONVS = {1: layers.Conv1D, 2: layers.Conv2D, 3: layers.Conv3D}

ONE_INPUT = [
    *(layer(3, 2, padding="same", activation="relu") for layer in CONVS.values()),
    *(layer(3, 2, strides=2) for layer in (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)),
    layers.DepthwiseConv1D(2, depth_multiplier=2),
    layers.DepthwiseConv2D(2, depth_multiplier=2, activation="relu"),
    layers.SeparableConv1D(3, 2, depth_multiplier=2),
    layers.SeparableConv2D(3, 2, activation="swish"),
    layers.Dense(3, activation="gelu"),
    layers.BatchNormalization(),
    FusedBatchNormalization(scale=False),
    NormalizedSwish(),
    NormalizedSwish(scale=False),
    layers.PReLU(shared_axes=[1, 2]),
    layers.PReLU(),
    layers.Activation("tanh"),
    layers.ReLU(max_value=6),
    layers.LeakyReLU(),
    layers.ELU(),
    layers.Identity(),
    layers.Dropout(0.5, noise_shape=(None, 1, 1, 1)),
    layers.GaussianDropout(0.5),
    layers.SpatialDropout1D(0.5),
    layers.SpatialDropout2D(0.5),
    layers.SpatialDropout3D(0.5),
    *(layer(2) for layer in (layers.MaxPooling1D, layers.MaxPooling2D, layers.MaxPooling3D)),
    *(layer(2) for layer in (layers.AveragePooling1D, layers.AveragePooling2D, layers.AveragePooling3D)),
    *(layer() for layer in (layers.GlobalMaxPooling1D, layers.GlobalMaxPooling2D, layers.GlobalMaxPooling3D)),
    GlobalMaximum(),
    *(
        layer(keepdims=True)
        for layer in (layers.GlobalAveragePooling1D, layers.GlobalAveragePooling2D, layers.GlobalAveragePooling3D)
    ),
    *(layer(1) for layer in (layers.ZeroPadding1D, layers.ZeroPadding2D, layers.ZeroPadding3D)),
    *(layer(1) for layer in (layers.Cropping1D, layers.Cropping2D, layers.Cropping3D)),
    *(layer(2) for layer in (layers.UpSampling1D, layers.UpSampling2D, layers.UpSampling3D)),
    layers.Resizing(3, 5),
    layers.Rescaling(0.5),
    layers.Reshape((2, 8, 4)),
    layers.Reshape((16, -1)),
    layers.Flatten(),
    layers.Permute((2, 1, 3)),
    ChannelPool(),
    ChannelPool(2),
]
MERGES = [
    layers.Add(),
    layers.Subtract(),
    layers.Average(),
    layers.Maximum(),
    layers.Minimum(),
    layers.Multiply(),
    layers.Concatenate(),
    layers.Concatenate(axis=1),
]


def conv(rank: int, filters: int):
    return CONVS[rank](filters, 1, activation="relu") if rank else layers.Dense(filters)


def check(inputs, outputs) -> None:
    """Random weights; half of the groups removed: the outputs are those of the zeroed model."""
    model = keras.Model(inputs, outputs)
    rng = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(
            rng.uniform(0.1, 1, weight.shape) * rng.choice([-1, 1], weight.shape) ** (weight.name != "moving_variance")
        )
    structure = find_groups(model)
    removed = list(range(0, len(structure.groups), 2))
    assert removed
    x = [rng.normal(0, 1, (2, *tensor.shape[1:])).astype("float32") for tensor in model.inputs]
    x = x if len(x) > 1 else x[0]
    smaller = remove_filters(model, [structure.groups[number] for number in removed])
    whole = np.asarray(model(x))
    zero_groups(structure, removed)
    np.testing.assert_allclose(np.asarray(smaller(x)), np.asarray(model(x)), atol=1e-5)
    assert np.abs(np.asarray(model(x)) - whole).max() > 1e-3
    assert smaller.count_params() < model.count_params()


@pytest.mark.parametrize("layer", ONE_INPUT, ids=lambda layer: type(layer).__name__)
def test_one_layer(layer):
    rank = int(name[-1]) if (name := type(layer).__name__.removesuffix("Transpose")[:-1])[-1:].isdigit() else 2
    image = keras.Input((4,) * rank + (3,))
    # The layer is laid out on the channels of a first convolution; a last one listens to it.
    # Its own name may be taken: it was made at import, and Keras' counter of names may have started anew since.
    y = type(layer).from_config(layer.get_config() | {"name": "tried"})(conv(rank, 4)(image))
    check(image, conv(len(y.shape) - 2, 2)(y))


@pytest.mark.parametrize("layer", MERGES, ids=lambda layer: type(layer).__name__)
def test_one_merge(layer):
    image = keras.Input((4, 4, 3))
    y = type(layer).from_config(layer.get_config())([conv(2, 4)(image), conv(2, 4)(image)])
    check(image, conv(2, 2)(y))


def test_squeeze_and_excitation():
    image = keras.Input((4, 4, 3))
    maps = conv(2, 4)(image)
    weights = layers.Conv2D(4, 1, activation="sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(maps))
    check(image, conv(2, 2)(Excite()([maps, weights])))


def test_views():
    inputs = [keras.Input((4, 4, 3), name=view) for view in "abc"]
    batched = conv(2, 4)(ViewsToBatch()([conv(2, 4)(x) for x in inputs]))
    check(inputs, conv(2, 2)(BatchToChannels(3)(batched)))


def test_a_normalisation_by_statistics_of_the_data_keeps_its_channels_and_no_others():
    image = keras.Input((4, 4, 3))
    first = layers.Conv2D(4, 1, name="first")(image)
    y = layers.Normalization(mean=[1.0, 2, 3, 4], variance=[1.0, 4, 9, 16], name="scaled")(first)
    outputs = conv(2, 2)(conv(2, 4)(y))
    check(image, outputs)
    whole = find_groups(keras.Model(image, outputs)).whole
    assert whole["first"] == "has statistics of its own in 'scaled'"
    assert "scaled" not in whole


def test_every_row_of_the_table_is_tried_here():
    tried = {type(layer) for layer in (*ONE_INPUT, *MERGES)}
    tried |= {ViewsToBatch, BatchToChannels, Excite, layers.InputLayer, layers.Normalization}
    assert tried == set(RULES)


def test_a_rule_is_inherited_only_by_a_class_that_does_the_same():
    class Renamed(layers.Conv2D):
        """Nothing else."""

    class Flipped(layers.Conv2D):
        def call(self, inputs):
            return super().call(inputs)[..., ::-1]

    assert rule_for(Renamed) is RULES[layers.Conv2D]
    assert rule_for(Flipped) is None
    assert rule_for(layers.LayerNormalization) is None


def test_activations_are_tried_out():
    for name in ("relu", "relu6", "swish", "tanh", "gelu", "linear", "elu"):
        assert zero_stays_zero(keras.activations.get(name)) is True
    for name in ("sigmoid", "softplus", "exponential", "hard_sigmoid"):
        assert zero_stays_zero(keras.activations.get(name)) is False
    assert zero_stays_zero(keras.activations.softmax) is None
    assert zero_stays_zero(lambda x: x * tf.nn.sigmoid(x)) is True
    assert zero_stays_zero(lambda x: x - tf.reduce_max(x)) is None
    assert zero_stays_zero(lambda x: x[:, :, 0]) is None
    assert zero_stays_zero(None) is True
