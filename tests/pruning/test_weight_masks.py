import keras
import numpy as np
import pytest
from keras import layers

from spine_tf.pruning.groups import find_groups
from spine_tf.pruning.weight_masks import Masks, zero_groups, zeroed_groups


@pytest.fixture
def model() -> keras.Model:
    """A convolution of 3 filters with bias, its normalisation, a depthwise convolution, a head; all weights are 1."""
    x = keras.Input((2, 2, 2))
    y = layers.BatchNormalization(name="norm")(layers.Conv2D(3, 1, name="a")(x))
    y = layers.DepthwiseConv2D(1, name="d")(y)
    model = keras.Model(x, layers.Conv2D(1, 1, name="head")(y))
    for weight in model.weights:
        weight.assign(np.ones(weight.shape))
    return model


def test_everything_of_a_group_is_zeroed_and_nothing_else(model):
    zero_groups(find_groups(model), [1])
    a, norm, d, head = (model.get_layer(name).get_weights() for name in ("a", "norm", "d", "head"))
    np.testing.assert_array_equal(a[0][0, 0], [[1, 0, 1], [1, 0, 1]])
    np.testing.assert_array_equal(a[1], [1, 0, 1])
    gamma, beta, mean, variance = norm
    np.testing.assert_array_equal(gamma, [1, 0, 1])
    np.testing.assert_array_equal(beta, [1, 0, 1])
    np.testing.assert_array_equal(mean, [1, 1, 1])  # times a gamma of zero
    np.testing.assert_array_equal(variance, [1, 1, 1])
    np.testing.assert_array_equal(np.ravel(d[0]), [1, 0, 1])
    np.testing.assert_array_equal(d[1], [1, 0, 1])
    assert all((weight == 1).all() for weight in head)


def test_without_gamma_the_mean_is_what_would_leak():
    x = keras.Input((2, 2, 2))
    y = layers.BatchNormalization(scale=False, name="norm")(layers.Conv2D(2, 1, name="a")(x))
    features = keras.Model(x, y)
    structure = find_groups(keras.Model(x, layers.Conv2D(1, 1)(y)))
    features.get_layer("norm").moving_mean.assign([3, 3])
    zero_groups(structure, [0])
    np.testing.assert_array_equal(features.get_layer("norm").moving_mean, [0, 3])
    assert not np.any(features(np.ones((1, 2, 2, 2)))[..., 0])


def test_zeros_are_found_again_but_half_a_group_is_none(model):
    structure = find_groups(model)
    assert zeroed_groups(structure) == []
    zero_groups(structure, [0, 2])
    assert zeroed_groups(structure) == [0, 2]
    model.get_layer("norm").beta.assign([0, 1, 1e-9])
    assert zeroed_groups(structure) == [0]


def test_masks_bring_back_zeros_after_any_update(model):
    masks = Masks(find_groups(model))
    masks.apply()
    assert (model.get_layer("a").get_weights()[1] == 1).all()  # nothing is masked yet
    masks.set([1])
    for value in (5.0, np.inf, np.nan):
        for weight in model.weights:
            weight.assign(np.full(weight.shape, value))
        masks.apply()
        np.testing.assert_array_equal(model.get_layer("a").get_weights()[1], [value, 0, value])
    masks.set([])
    masks.apply()
    np.testing.assert_array_equal(model.get_layer("a").get_weights()[1], [np.nan, 0, np.nan])


@pytest.mark.parametrize("name", ["SGD", "Adam", "Adamax", "RMSprop", "AdamW", "Nadam", "Lion", "Ftrl"])
def test_what_an_optimizer_remembers_of_zeroed_weights_is_cleared(model, name):
    arguments = {"momentum": 0.9} if name in ("SGD", "RMSprop") else {}
    optimizer = getattr(keras.optimizers, name)(**arguments, use_ema=True)
    optimizer.build(model.trainable_variables)
    for variable in optimizer.variables:
        if variable.shape:
            variable.assign(np.ones(variable.shape))
    masks = Masks(find_groups(model))
    masks.set([1])
    masks.clear_slots(optimizer)
    of_bias = [variable for variable in optimizer.variables if variable.name.startswith("a_bias_")]
    assert len(of_bias) >= 2  # the optimizer's own and the average
    for variable in of_bias:
        np.testing.assert_array_equal(variable, [1, 0, 1])
    for variable in optimizer.variables:
        if variable.name.startswith("head_"):
            assert (np.asarray(variable) == 1).all()
