import keras
import pytest
from keras import layers

from spine_tf.models.graph import read_graph


def test_a_nested_model_is_opened_and_its_tensors_are_those_around_it():
    inner = keras.Sequential([keras.Input((4, 4, 2), name="given"), layers.Conv2D(3, 1, name="inside")], name="part")
    image = keras.Input((4, 4, 2), name="image")
    model = keras.Model(image, layers.ReLU(name="after")(inner(layers.ReLU(name="before")(image))))
    graph = read_graph(model)
    assert [call.path for call in graph.calls][:2] == ["image", "before"]
    calls = {call.path: call for call in graph.calls}
    assert set(calls) == {"image", "before", "part/given", "part/inside", "after"}
    assert calls["part/given"].inputs == calls["before"].outputs
    assert calls["after"].inputs == calls["part/inside"].outputs
    assert graph.outputs == list(calls["after"].outputs)


def test_a_layer_called_twice_makes_two_calls_and_a_model_called_twice_stays_one_layer():
    image = keras.Input((4, 4, 2), name="image")
    conv = layers.Conv2D(2, 1, name="conv")
    part = keras.Sequential([keras.Input((4, 4, 2)), layers.Conv2D(2, 1)], name="part")
    graph = read_graph(keras.Model(image, part(part(conv(conv(image))))))
    assert [call.path for call in graph.calls] == ["image", "conv", "conv", "part", "part"]


def test_calls_of_other_models_with_the_same_layers_do_not_count():
    image = keras.Input((4, 4, 2), name="image")
    conv = layers.Conv2D(2, 1, name="conv")
    model = keras.Model(image, conv(image))
    keras.Model(image, conv(layers.ReLU()(image)))
    assert [call.path for call in read_graph(model).calls] == ["image", "conv"]


def test_a_model_without_a_graph_is_refused():
    class Subclassed(keras.Model):
        def call(self, x):
            return x

    for model in (Subclassed(), keras.Sequential([layers.Dense(2)])):
        with pytest.raises(ValueError, match=r"model must be functional or sequential, and built. Received: "):
            read_graph(model)
