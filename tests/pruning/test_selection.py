import keras
import numpy as np
import pytest
from keras import layers

from spine_tf.pruning.groups import find_groups
from spine_tf.pruning.selection import choose_groups, group_scores


def chain(*widths):
    """A chain of 1x1 convolutions called c0, c1, ...; every filter is a group of its own."""
    x = first = keras.Input((2, 2, 1))
    for number, width in enumerate(widths):
        x = layers.Conv2D(width, 1, name=f"c{number}")(x)
    return find_groups(keras.Model(first, layers.Conv2D(1, 1, name="head")(x)))


def residual():
    """A stem of 4 filters that meet those of 2 more layers (4 groups of 3 filters), then a layer with 4 groups."""
    x = keras.Input((2, 2, 1))
    y = layers.Conv2D(4, 1, name="stem")(x)
    for name in ("a", "b"):
        y = layers.Add()([y, layers.Conv2D(4, 1, name=name)(y)])
    return find_groups(keras.Model(x, layers.Conv2D(1, 1)(layers.Conv2D(4, 1, name="c")(y))))


def test_the_score_of_a_group_is_the_mean_of_its_filters_relative_to_their_layers():
    structure = residual()
    scores = {"stem": [1, 2, 3, 6], "a": [10, 10, 10, 10], "b": [0, 0, 0, 0], "c": [5, 0, 0, 15], "conv2d": [1.0]}
    scores = {path: scores.get(path, [1.0]) for path in structure.filters}
    # stem / 3, a / 10, b as it is, since its mean is 0; c / 5.
    expected = [(1 / 3 + 1) / 3, (2 / 3 + 1) / 3, (1 + 1) / 3, (2 + 1) / 3, 1, 0, 0, 3]
    np.testing.assert_allclose(group_scores(structure, scores), expected)


def test_the_lowest_groups_go_wherever_they_are():
    structure = chain(4, 4)
    scores = np.array([1, 2, 3, 4, 5, 6, 7, 8.0])
    assert choose_groups(structure, scores, 0.25) == [0, 1]
    # Of the first layer one filter is kept, so that the next lowest goes instead.
    assert choose_groups(structure, scores, 0.5) == [0, 1, 2, 4]
    assert choose_groups(structure, scores, 0.5, floor=2) == [0, 1, 4, 5]
    assert choose_groups(structure, scores, 0.5, floor=0.75) == [0, 4]
    assert choose_groups(structure, scores, 0.0) == []


def test_every_layer_keeps_a_twentieth():
    structure = chain(100, 100)
    scores = np.r_[np.full(100, 1.0), np.full(100, 2.0)]
    assert [count.kept for count in structure.counts(choose_groups(structure, scores, 0.5))[:2]] == [5, 95]
    assert [count.kept for count in structure.counts(choose_groups(structure, scores, 0.5, floor=0))[:2]] == [1, 99]
    # No more than floor and structure allow.
    assert [count.kept for count in structure.counts(choose_groups(structure, scores, 0.99))[:2]] == [5, 5]


def test_a_layer_loses_its_own_share():
    structure = chain(4, 4)
    scores = np.array([1, 2, 3, 4, 5, 6, 7, 8.0])
    assert choose_groups(structure, scores, 0.5, scope="layer") == [0, 1, 4, 5]
    # A half of 3 is 1 or 2; over all layers it is a half.
    structure = chain(3, 3, 3, 3)
    chosen = choose_groups(structure, np.arange(12.0), 0.5, scope="layer")
    assert structure.share(chosen) == 0.5
    assert [count.removed for count in structure.counts(chosen)][:4] in ([1, 2, 1, 2], [2, 1, 2, 1])


def test_the_amount_counts_filters_and_not_groups():
    structure = residual()
    assert structure.prunable == 16
    # Groups of 3, 3, 3, 3 and 1, 1, 1, 1 filters; 8 of 16: the two lowest large ones, then two small ones.
    scores = np.array([1, 2, 9, 9, 3, 4, 5, 6.0])
    chosen = choose_groups(structure, scores, 0.5)
    assert chosen == [0, 1, 4, 5]
    assert structure.share(chosen) == 0.5


def test_the_nearest_share_is_taken_where_none_fits():
    structure = chain(2)
    assert choose_groups(structure, np.array([1.0, 2.0]), 0.4) == [0]
    assert choose_groups(structure, np.array([1.0, 2.0]), 0.2) == []
    assert choose_groups(structure, np.array([1.0, 2.0]), 0.9) == [0]


def test_widths_are_rounded_to_a_multiple():
    structure = chain(10, 16)
    scores = np.r_[np.arange(10.0), np.arange(16.0)]
    for amount in (0.1, 0.3, 0.5, 0.7, 0.9):
        for scope in ("global", "layer"):
            kept = [count.kept for count in structure.counts(choose_groups(structure, scores, amount, scope, 1, 4))[:2]]
            assert kept[0] in (10, 8, 4)
            assert kept[1] in (16, 12, 8, 4)


@pytest.mark.parametrize("amount", [0.1, 0.3, 0.5, 0.7])
@pytest.mark.parametrize("scope", ["global", "layer"])
def test_the_amount_is_met_within_two_hundredths(amount, scope):
    structure = chain(7, 13, 24, 5, 33)
    scores = np.random.default_rng(0).random(len(structure.groups))
    assert abs(structure.share(choose_groups(structure, scores, amount, scope)) - amount) < 0.02


def test_what_is_gone_stays_gone_and_counts():
    structure = chain(4, 4)
    scores = np.array([1, 2, 3, 4, 5, 6, 7, 8.0])
    assert choose_groups(structure, scores, 0.5, removed=[3, 7]) == [0, 1, 3, 7]
    assert choose_groups(structure, scores, 0.1, removed=[3, 7]) == [3, 7]
    # One filter of each layer is left, whichever they were.
    assert choose_groups(structure, scores, 0.9, removed=[3, 7]) == [0, 1, 3, 4, 5, 7]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"amount": 1.0}, "amount must be in"),
        ({"scope": "network"}, "scope must be one of"),
        ({"floor": -1}, "floor must not be negative"),
        ({"multiple_of": 0}, "multiple_of at least 1"),
        ({"scores": np.array([np.nan, 1.0])}, "scores must be finite"),
    ],
)
def test_what_cannot_be_chosen_is_refused(arguments, message):
    with pytest.raises(ValueError, match=rf"{message}.*Received: "):
        choose_groups(**{"structure": chain(2), "scores": np.array([1.0, 2.0]), "amount": 0.5} | arguments)
