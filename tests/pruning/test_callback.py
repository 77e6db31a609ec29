"""Pruning while training, on networks of a few filters."""

import json

import keras
import numpy as np
import pytest
from keras import layers

from spine_tf.pruning import GradientSensitivityPruning, remove_filters
from spine_tf.pruning.groups import find_groups
from spine_tf.pruning.schedules import constant_sparsity, polynomial_decay
from spine_tf.pruning.weight_masks import zeroed_groups
from spine_tf.training.checkpoint import Checkpoint, latest_checkpoint
from spine_tf.training.optimizers import FusedAdamax

RNG = np.random.default_rng(0)
X, Y = RNG.random((8, 4, 4, 2), dtype="float32"), RNG.random((8, 4, 4, 1), dtype="float32")
CALIBRATION = [(X[:4], Y[:4]), (X[4:], Y[4:])]


def network(optimizer="sgd", width=8) -> keras.Model:
    keras.utils.set_random_seed(0)
    x = keras.Input((4, 4, 2))
    y = layers.ReLU()(layers.BatchNormalization(name="norm")(layers.Conv2D(width, 3, padding="same", name="a")(x)))
    y = layers.Conv2D(width, 1, activation="tanh", name="b")(y)
    model = keras.Model(x, layers.Conv2D(1, 1, name="head")(layers.Dropout(0.1)(y)))
    model.compile(optimizer=optimizer, loss="mse", jit_compile=False)
    return model


def fit(model, pruning, epochs=3, initial_epoch=0, more=()):
    return model.fit(
        X, Y, batch_size=2, epochs=epochs, initial_epoch=initial_epoch, verbose=0, shuffle=False,
        callbacks=[pruning, *more],
    ).history  # fmt: skip


class Watch(keras.callbacks.Callback):
    """The zeroed groups after every batch."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(zeroed_groups(find_groups(self.model)))


def test_prunes_once_after_the_first_epoch_and_the_zeros_stay():
    model, watch = network(keras.optimizers.SGD(0.1, momentum=0.9, weight_decay=0.1)), Watch()
    pruning = GradientSensitivityPruning(0.5, CALIBRATION)
    history = fit(model, pruning, more=[watch])
    assert history["pruned"] == [0.5, 0.5, 0.5]
    assert watch.seen[:4] == [[], [], [], []]
    assert watch.seen[4:] == [pruning.removed] * 8
    assert len(pruning.removed) == 8
    # What was kept went on learning, and can be cut out.
    smaller = remove_filters(model)
    np.testing.assert_allclose(smaller(X), model(X), atol=1e-5)
    assert sum(count.kept for count in pruning.structure.counts(pruning.removed)) == 9


@pytest.mark.parametrize(
    "optimizer",
    [
        keras.optimizers.Adam(0.01),
        keras.optimizers.AdamW(0.01, weight_decay=0.1),
        FusedAdamax(0.01),
        keras.optimizers.RMSprop(0.01, momentum=0.9),
        keras.optimizers.SGD(0.1, momentum=0.9, use_ema=True, ema_momentum=0.9),
    ],
    ids=["adam", "adamw", "adamax", "rmsprop", "averaged"],
)
def test_zeros_outlive_every_optimizer(optimizer):
    model = network(optimizer)
    pruning = GradientSensitivityPruning(0.5, CALIBRATION)
    before = model.get_layer("a").get_weights()[0]
    fit(model, pruning)
    assert zeroed_groups(pruning.structure) == pruning.removed
    assert len(pruning.removed) == 8
    # The optimizer holds nothing of what is zero: its slots of the bias of a are zero where the bias is.
    zero = model.get_layer("a").get_weights()[1] == 0
    slots = [np.asarray(v) for v in optimizer.variables if v.name.startswith("a_bias_")]
    assert slots
    assert all((slot[zero] == 0).all() and (slot[~zero] != 0).any() for slot in slots)
    assert np.abs(model.get_layer("a").get_weights()[0] - before)[..., ~zero].max() > 0


def test_it_is_the_least_sensitive_filters_that_go():
    model = network()
    # Filters 0 to 3 of b are not listened to: no gradient comes back to them.
    kernel = np.ones((1, 1, 8, 1), "float32")
    kernel[0, 0, :4] = 0
    model.get_layer("head").set_weights([kernel, np.zeros(1, "float32")])
    pruning = GradientSensitivityPruning(0.25, CALIBRATION)
    pruning.set_model(model)
    pruning.on_train_begin()
    pruning.on_epoch_end(0, logs := {})
    assert [pruning.structure.groups[number].filters for number in pruning.removed] == [(("b", i),) for i in range(4)]
    assert logs == {"pruned": 0.25}


def test_a_schedule_sets_the_pace():
    # Four steps an epoch: a quarter at step 4, a half from step 8 on.
    schedule = polynomial_decay(0.5, begin_step=0, end_step=8, power=1, frequency=4)
    model, watch = network(), Watch()
    history = fit(model, GradientSensitivityPruning(calibration=CALIBRATION, schedule=schedule), more=[watch])
    assert history["pruned"] == [0.25, 0.5, 0.5]
    assert [len(seen) for seen in watch.seen] == [0] * 4 + [4] * 4 + [8] * 4
    assert set(watch.seen[4]) < set(watch.seen[8])


def test_a_constant_schedule_prunes_at_its_first_step():
    watch = Watch()
    pruning = GradientSensitivityPruning(0.25, CALIBRATION, constant_sparsity(0.25, begin_step=2, frequency=2))
    assert fit(network(), pruning, epochs=2, more=[watch])["pruned"] == [0.25, 0.25]
    assert [len(seen) for seen in watch.seen] == [0, 0, 4, 4, 4, 4, 4, 4]


def test_steps_in_one_execution_do_not_skip_the_schedule():
    model = network()
    model.compile(optimizer="sgd", loss="mse", jit_compile=False, steps_per_execution=4)
    schedule = constant_sparsity(0.25, begin_step=2, frequency=100)
    assert fit(model, GradientSensitivityPruning(calibration=CALIBRATION, schedule=schedule))["pruned"] == [0.25] * 3


def test_a_resumed_run_is_the_uninterrupted_one(tmp_path):
    def run(model, folder, epochs, done=0):
        pruning = GradientSensitivityPruning(0.5, CALIBRATION)
        fit(model, pruning, epochs, done, [Checkpoint(folder, [pruning])])
        return pruning

    whole = network(keras.optimizers.Adam(0.01))
    one = run(whole, tmp_path / "whole", 4)
    run(network(keras.optimizers.Adam(0.01)), tmp_path / "parts", 2)
    resumed = keras.saving.load_model(latest_checkpoint(tmp_path / "parts") / "model.keras")
    other = run(resumed, tmp_path / "parts", 4, 2)
    assert other.removed == one.removed
    pairs = zip(
        whole.variables + whole.optimizer.variables, resumed.variables + resumed.optimizer.variables, strict=True
    )
    for a, b in pairs:
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b), err_msg=a.path)
    assert (tmp_path / "whole/history.csv").read_text() == (tmp_path / "parts/history.csv").read_text()


def test_several_inputs_outputs_and_losses():
    keras.utils.set_random_seed(0)
    inputs = {name: keras.Input((4, 4, 2), name=name) for name in ("left", "right")}
    y = layers.Conv2D(6, 1, name="a")(layers.Concatenate()(list(inputs.values())))
    outputs = {"near": layers.Conv2D(1, 1, name="near")(y), "far": layers.Dense(1, name="far")(layers.Flatten()(y))}
    model = keras.Model(inputs, outputs)
    model.compile("adam", loss={"near": "mse", "far": "mae"}, metrics={"far": ["mse"]})
    data = [({"left": X, "right": X}, {"near": Y, "far": Y[:, 0, 0]})]
    pruning = GradientSensitivityPruning(0.5, data)
    history = model.fit(*data[0], epochs=2, verbose=0, callbacks=[pruning]).history
    assert history["pruned"] == [0.5, 0.5]
    smaller = remove_filters(model)
    assert smaller.get_layer("a").filters == 3
    for name, values in smaller(data[0][0]).items():
        np.testing.assert_allclose(values, model(data[0][0])[name], atol=1e-5)


def test_a_run_that_blew_up_ends_without_scores():
    model = network(keras.optimizers.SGD(1e30))
    history = fit(model, GradientSensitivityPruning(0.5, CALIBRATION), more=[keras.callbacks.TerminateOnNaN()])
    assert not np.isfinite(history["loss"][-1])
    assert history["pruned"] == [0.0]


def test_config_round_trip():
    schedule = polynomial_decay(0.7, 0, 100)
    pruning = GradientSensitivityPruning(
        calibration=CALIBRATION, schedule=schedule, criterion="taylor", scope="layer", floor=2, multiple_of=4, seed=3
    )
    config = json.loads(json.dumps(pruning.get_config()))
    assert config["amount"] == 0.7
    again = GradientSensitivityPruning.from_config(config, calibration=CALIBRATION)
    assert again.get_config() == pruning.get_config()
    assert again.calibration is CALIBRATION
    assert GradientSensitivityPruning.from_config(GradientSensitivityPruning().get_config()).amount == 0.5


def test_arguments_reach_the_choice():
    model = network()
    pruning = GradientSensitivityPruning(0.5, criterion="random", scope="layer", multiple_of=4, seed=1)
    fit(model, pruning, epochs=1)
    assert [count.kept for count in pruning.structure.counts(pruning.removed)] == [4, 4, 1]


def test_what_cannot_be_done_is_refused():
    with pytest.raises(ValueError, match=r"amount must be in \[0, 1\). Received: amount=1.0"):
        GradientSensitivityPruning(1.0)
    with pytest.raises(ValueError, match=r"amount must be what the schedule ends at, 0.7. Received: amount=0.5"):
        GradientSensitivityPruning(0.5, schedule=constant_sparsity(0.7, 0))
    with pytest.raises(ValueError, match=r"criterion must be one of .*Received: "):
        GradientSensitivityPruning(criterion="grad")
    x = keras.Input((4, 4, 2))
    model = keras.Model(x, layers.Conv2D(1, 1)(x))
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"model must have filters that can be removed. Received: .*is an output"):
        fit(model, GradientSensitivityPruning(0.5, CALIBRATION))
