import keras
import numpy as np
import pytest
from keras import layers

from spine_tf.training.penalty import Penalty, penalise


@pytest.fixture
def model() -> keras.Model:
    """Kernels: 1 and -2 of a convolution that is called twice, 3 of a depthwise one; 5 of a dense layer; biases 7."""
    x = keras.Input((2, 2, 1))
    twice = layers.Conv2D(1, (1, 2), padding="same", name="twice", bias_initializer=keras.initializers.Constant(7))
    y = layers.DepthwiseConv2D(1, name="depthwise")(twice(twice(x)))
    model = keras.Model(x, layers.Dense(1, name="dense")(y))
    model.get_layer("twice").kernel.assign(np.float32([1, -2]).reshape(1, 2, 1, 1))
    model.get_layer("depthwise").kernel.assign(np.float32([3]).reshape(1, 1, 1, 1))
    model.get_layer("dense").kernel.assign([[5]])
    return model


@pytest.mark.parametrize(("kind", "expected"), [("l2", 0.1 * (1 + 4 + 9)), ("l1", 0.1 * (1 + 2 + 3))])
def test_penalty_of_known_kernels(model, kind, expected):
    penalise(model, Penalty(kind, 0.1))
    assert sum(float(loss) for loss in model.losses) == pytest.approx(expected)
    model.compile(loss="mean_squared_error")
    y = model(np.ones((1, 2, 2, 1)))
    assert float(model.evaluate(np.ones((1, 2, 2, 1)), y, verbose=0)) == pytest.approx(expected)


def test_a_penalty_takes_the_place_of_another_and_none_of_all(model):
    penalise(model, Penalty("l2", 0.1))
    penalise(model, Penalty("l1", 1.0))
    assert sum(float(loss) for loss in model.losses) == pytest.approx(6)
    penalise(model, None)
    assert model.losses == []


def test_a_saved_model_has_no_penalty(model, tmp_path):
    penalise(model, Penalty())
    model.save(tmp_path / "model.keras")
    assert keras.saving.load_model(tmp_path / "model.keras").losses == []


def test_refuses_what_is_no_penalty(model):
    with pytest.raises(ValueError, match=r"kind must be one of \['l1', 'l2'\]. Received: 'l3'"):
        penalise(model, Penalty("l3"))
    with pytest.raises(ValueError, match=r"weight must be positive. Received: 0"):
        penalise(model, Penalty("l2", 0))
