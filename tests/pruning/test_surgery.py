import keras
import numpy as np
import pytest
from keras import layers

from spine_tf.models.attention import cbam
from spine_tf.pruning.groups import Group, find_groups
from spine_tf.pruning.surgery import remove_filters
from spine_tf.pruning.weight_masks import zero_groups
from spine_tf.pruning.zeroing import zero_filters

IMAGE = np.random.default_rng(0).random((2, 4, 4, 2), dtype="float32")


def chain(**arguments) -> keras.Model:
    x = keras.Input((4, 4, 2), name="image")
    y = layers.BatchNormalization(name="norm")(layers.Conv2D(3, 1, name="a", **arguments)(x))
    y = layers.Conv2DTranspose(2, 1, name="up")(layers.Dropout(0.5, seed=1, name="drop")(y))
    return keras.Model(x, layers.Conv2D(1, 1, name="head")(y), name="chain")


def test_weights_are_sliced_where_channels_are_made_and_where_they_are_read():
    model = chain()
    values = {}
    for weight in model.weights:
        values[weight.path] = np.arange(np.prod(weight.shape)).reshape(weight.shape) + 1
        weight.assign(values[weight.path])
    smaller = remove_filters(model, [Group((("a", 1),)), Group((("up", 0),))])
    a, norm, up, head = (smaller.get_layer(name).get_weights() for name in ("a", "norm", "up", "head"))
    np.testing.assert_array_equal(a[0][0, 0], [[1, 3], [4, 6]])
    np.testing.assert_array_equal(a[1], [1, 3])
    np.testing.assert_array_equal(norm, [[1, 3]] * 4)
    np.testing.assert_array_equal(up[0][0, 0], [[4, 6]])  # (out, in): of [[1, 2, 3], [4, 5, 6]] row 1, columns 0 and 2
    np.testing.assert_array_equal(up[1], [2])
    np.testing.assert_array_equal(head[0][0, 0], [[2]])
    assert (smaller.get_layer("a").filters, smaller.get_layer("up").filters) == (2, 1)
    for weight in model.weights:
        np.testing.assert_array_equal(weight, values[weight.path])  # the model given is left alone


def test_names_inputs_outputs_and_settings_are_kept():
    model = chain(kernel_regularizer="l2")
    model.get_layer("norm").trainable = False
    model.compile("adam", "mse")
    smaller = remove_filters(model, find_groups(model).groups[:1])
    assert [layer.name for layer in smaller.layers] == [layer.name for layer in model.layers]
    assert (smaller.name, smaller.inputs[0].name, smaller.output_names) == ("chain", "image", ["head"])
    assert isinstance(smaller.get_layer("a").kernel_regularizer, keras.regularizers.L2)
    assert not smaller.get_layer("norm").trainable
    assert not smaller.compiled
    seed, again = (m.get_layer("drop").seed_generator.state for m in (model, smaller))
    np.testing.assert_array_equal(seed, again)


def test_finds_what_is_zero_by_itself_and_nothing_else():
    model = chain()
    assert remove_filters(model).count_params() == model.count_params()
    zero_groups(find_groups(model), [0])
    smaller = remove_filters(model)
    assert smaller.get_layer("a").filters == 2
    np.testing.assert_allclose(smaller(IMAGE), model(IMAGE), atol=1e-6)


def test_a_layer_keeps_one_filter_which_is_zero():
    model = chain()
    model.get_layer("a").bias.assign([1, 2, 3])
    structure = find_groups(model)
    everything = list(range(len(structure.groups)))
    smaller = remove_filters(model, structure.groups)
    assert (smaller.get_layer("a").filters, smaller.get_layer("up").filters) == (1, 1)
    assert not any(weight.any() for weight in smaller.get_layer("a").get_weights())
    zero_groups(structure, everything)
    np.testing.assert_allclose(smaller(IMAGE), model(IMAGE), atol=1e-6)
    again = remove_filters(smaller)
    assert again.get_layer("a").filters == 1


def test_saved_loaded_and_pruned_again(tmp_path):
    x = keras.Input((4, 4, 2))
    y = cbam(layers.Conv2D(12, 1, name="a")(x), "attention")
    model = keras.Model(x, layers.Conv2D(1, 1, name="head")(y))
    for amount, zeros in ((0.5, 6), (0.5, 9)):
        zero_filters(model, amount, criterion="random", scope="layer")
        smaller = remove_filters(model)
        np.testing.assert_allclose(smaller(IMAGE), model(IMAGE), atol=1e-5)
        assert smaller.get_layer("a").filters == 12 - zeros
        assert smaller.get_layer("attention_spatial_pool").zeros == zeros
        smaller.save(tmp_path / "smaller.keras")
        model = keras.saving.load_model(tmp_path / "smaller.keras")
        np.testing.assert_array_equal(model(IMAGE), smaller(IMAGE))
    # Trained like any other.
    model.compile("sgd", "mse")
    model.fit(IMAGE, IMAGE[..., :1], verbose=0)


@pytest.mark.parametrize("sequential", [False, True])
def test_nested_models_become_smaller_inside(sequential, tmp_path):
    given = keras.Input((4, 4, 4), name="given")
    inside = layers.Conv2D(3, 1, name="b")
    part = (
        keras.Sequential([given, inside], name="part")
        if sequential
        else keras.Model(given, inside(given), name="part", trainable=False)
    )
    x = keras.Input((4, 4, 2))
    model = keras.Model(x, layers.Conv2D(1, 1, name="head")(part(layers.Conv2D(4, 1, name="a")(x))))
    structure = find_groups(model)
    smaller = remove_filters(model, [Group((("a", 1),)), Group((("part/b", 0),))])
    assert smaller.get_layer("part").inputs[0].shape[-1] == 3
    assert smaller.get_layer("part").get_layer("b").kernel.shape == (1, 1, 3, 2)
    assert smaller.get_layer("part").trainable == sequential
    zero_groups(structure, [1, 4])
    np.testing.assert_allclose(smaller(IMAGE), model(IMAGE), atol=1e-6)
    smaller.save(tmp_path / "nested.keras")
    np.testing.assert_array_equal(keras.saving.load_model(tmp_path / "nested.keras")(IMAGE), smaller(IMAGE))


def test_a_nested_model_that_is_called_twice_stays_whole():
    part = keras.Sequential([keras.Input((4, 4, 2)), layers.Conv2D(2, 1, name="b")], name="part")
    x = keras.Input((4, 4, 2))
    model = keras.Model(x, layers.Conv2D(1, 1, name="head")(layers.Conv2D(3, 1, name="c")(part(part(x)))))
    structure = find_groups(model)
    assert [group.filters[0][0] for group in structure.groups] == ["c"] * 3
    smaller = remove_filters(model, structure.groups[:1])
    zero_groups(structure, [0])
    np.testing.assert_allclose(smaller(IMAGE), model(IMAGE), atol=1e-6)


def test_bare_operations_are_kept_and_touch_nothing():
    x = keras.Input((4, 4, 2))
    y = layers.Conv2D(3, 1, name="a")(x)
    z = layers.Conv2D(3, 1, name="b")(keras.ops.relu(2.0 * y + 1.0))
    model = keras.Model(x, keras.ops.mean(layers.Conv2D(2, 1, name="head")(z), axis=-1))
    structure = find_groups(model)
    assert [group.filters for group in structure.groups] == [(("b", 0),), (("b", 1),), (("b", 2),)]
    assert structure.whole["a"].startswith("touches 'multiply")
    smaller = remove_filters(model, structure.groups[:1])
    zero_groups(structure, [0])
    np.testing.assert_allclose(smaller(IMAGE), model(IMAGE), atol=1e-6)


def test_sequential_models_come_back_functional():
    model = keras.Sequential([keras.Input((4, 4, 2)), layers.Conv2D(4, 1, name="a"), layers.Conv2D(1, 1, name="head")])
    smaller = remove_filters(model, find_groups(model).groups[:2])
    assert [layer.name for layer in smaller.layers][1:] == ["a", "head"]
    assert smaller.get_layer("a").filters == 2


def test_what_cannot_be_removed_is_refused():
    with pytest.raises(ValueError, match=r"groups must be of find_groups\(model\). Received: .*'head'"):
        remove_filters(chain(), [Group((("head", 0),))])
    x = keras.Input((4, 4, 2))
    model = keras.Model(x, layers.Lambda(lambda y: y * 2, name="double")(layers.Conv2D(2, 1)(x)))
    with pytest.raises(ValueError, match=r"layers that can be rebuilt from their configs. Received: 'double'"):
        remove_filters(model)
