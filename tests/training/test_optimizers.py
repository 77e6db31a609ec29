"""Fused optimisers against Keras' own: the same weights after the same steps, from files too."""

import keras
import numpy as np
import pytest

from spine_tf.training.optimizers import OPTIMIZERS, FusedAdam, FusedAdamax

PAIRS = [(keras.optimizers.Adamax, FusedAdamax), (keras.optimizers.Adam, FusedAdam)]


def gradients(step: int) -> list[np.ndarray]:
    rng = np.random.default_rng(step)
    return [rng.normal(size=(3, 2)).astype("float32"), rng.normal(size=4).astype("float32") * 1e-4]


def variables() -> list[keras.Variable]:
    return [keras.Variable(np.ones((3, 2), "float32")), keras.Variable(np.arange(4, dtype="float32"))]


def run(optimizer: keras.optimizers.Optimizer, weights: list[keras.Variable], steps: range) -> list[np.ndarray]:
    for step in steps:
        optimizer.apply([keras.ops.convert_to_tensor(g) for g in gradients(step)], weights)
    return [weight.numpy() for weight in weights]


@pytest.mark.parametrize(("reference", "fused"), PAIRS)
@pytest.mark.parametrize(
    "arguments", [{}, {"beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-3}, {"weight_decay": 0.1, "clipnorm": 0.5}]
)
def test_equal_to_keras_within_1e_6(reference, fused, arguments):
    expected = run(reference(0.01, **arguments), variables(), range(10))
    got = run(fused(0.01, **arguments), variables(), range(10))
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("reference", "fused"), PAIRS)
def test_learning_rate_can_be_changed_and_scheduled(reference, fused):
    results = []
    for kind in (reference, fused):
        optimizer, weights = kind(0.1), variables()
        run(optimizer, weights, range(2))
        optimizer.learning_rate = 0.001
        changed = run(optimizer, weights, range(2, 4))
        schedule = keras.optimizers.schedules.CosineDecay(0.1, 4)
        results.append(changed + run(kind(schedule), variables(), range(4)))
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", [FusedAdamax, FusedAdam])
def test_goes_on_from_a_file_as_if_never_stopped(kind, tmp_path):
    x = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
    y = x.sum(1, keepdims=True)

    def train(model, epochs):
        model.fit(x, y, batch_size=8, epochs=epochs, shuffle=False, verbose=0)

    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(optimizer=kind(0.05), loss="mse", jit_compile=False)
    train(model, 3)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert type(again.optimizer) is kind
    train(model, 3)
    train(again, 3)
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_amsgrad_is_refused():
    with pytest.raises(ValueError, match="amsgrad must be False"):
        FusedAdam(amsgrad=True)


def test_every_choice_takes_a_learning_rate():
    assert set(OPTIMIZERS) == {"adamax", "adam", "rmsprop"}
    for kind in OPTIMIZERS.values():
        np.testing.assert_allclose(kind(learning_rate=0.1).learning_rate, 0.1)
