import keras
import numpy as np
import pytest
from keras import layers

from spine_tf.pruning.groups import Count
from spine_tf.pruning.surgery import remove_filters
from spine_tf.pruning.zeroing import zero_filters


@pytest.fixture
def model() -> keras.Model:
    """Filters of a with the magnitudes 1, 2, 3, 4 and of b with 4, 3, 2, 1; then a head."""
    x = keras.Input((2, 2, 1))
    y = layers.Conv2D(4, 1, name="b")(layers.Conv2D(4, 1, name="a")(x))
    model = keras.Model(x, layers.Conv2D(1, 1, name="head")(y))
    model.get_layer("a").kernel.assign(np.float32([1, 2, 3, 4]).reshape(1, 1, 1, 4))
    model.get_layer("b").kernel.assign(np.tile(np.float32([4, 3, 2, 1]), (4, 1)).reshape(1, 1, 4, 4))
    return model


def test_says_what_it_zeroed_and_why(model):
    pruned = zero_filters(model, 0.5, criterion="magnitude")
    assert [group.filters[0] for group in pruned.groups] == [("a", 0), ("a", 1), ("b", 2), ("b", 3)]
    np.testing.assert_allclose(pruned.scores, [0.4, 0.8, 1.2, 1.6, 1.6, 1.2, 0.8, 0.4])  # of the layer's mean, 2.5
    assert pruned.amount == 0.5
    assert pruned.counts == [Count("a", 4, 4, 2), Count("b", 4, 4, 2), Count("head", 1, 0, 0)]
    np.testing.assert_array_equal(np.ravel(model.get_layer("a").kernel), [0, 0, 3, 4])
    assert remove_filters(model, pruned.groups).get_layer("a").filters == 2


def test_what_is_zero_counts_and_stays(model):
    zero_filters(model, 0.25, criterion="magnitude")
    pruned = zero_filters(model, 0.5, criterion="random")
    assert pruned.amount == 0.5
    assert {("a", 0), ("b", 3)} <= {group.filters[0] for group in pruned.groups}


def test_a_criterion_of_ones_own(model):
    def last_first(model, calibration, seed):
        return {layer: -np.arange(model.get_layer(layer).filters) for layer in ("a", "b", "head")}

    pruned = zero_filters(model, 0.25, criterion=last_first)
    assert [group.filters[0] for group in pruned.groups] == [("a", 3), ("b", 3)]
