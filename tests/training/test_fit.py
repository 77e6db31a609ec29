import json
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from spine_tf.config import VIEWS, TrainConfig
from spine_tf.inference.engines.manifest import write_manifest
from spine_tf.training.checkpoint_files import latest_checkpoint
from spine_tf.training.fit import StopAfter, compile_model, fit_model, prepare_process
from spine_tf.training.penalty import Penalty, convolution_kernels


def _network():
    """One 1x1 convolution a view; its task is to call bright pixels spine."""
    inputs = [keras.Input((32, 32, 3), name=view) for view in VIEWS]
    logits = [keras.layers.Conv2D(1, 1)(x) for x in inputs]
    mask = keras.layers.Activation("sigmoid", name="mask")(keras.layers.Concatenate()(logits))
    return keras.Model(inputs, mask)


def _dataset(first_epoch=0, nan_from=10**9):
    def draw(index):
        rng = np.random.default_rng(index)
        views = rng.random((3, 32, 32, 3), np.float32)
        mask = (views[..., 1] > 0.5).astype(np.float32)
        if index >= nan_from:
            views *= np.nan
        return *views, np.moveaxis(mask, 0, -1)

    def load(index):
        arrays = [tf.ensure_shape(a, (32, 32, 3)) for a in tf.numpy_function(draw, [index], [tf.float32] * 4)]
        return dict(zip(VIEWS, arrays[:3], strict=True)), arrays[3]

    return tf.data.Dataset.range(first_epoch * 8, 10**9).map(load).batch(2)


def _fit(folder, train, dataset=_dataset, **options):
    strategy = prepare_process(train)
    return fit_model(_network, dataset, 4, _dataset(1000).take(2), train, folder, strategy, **options)


def test_training_learns_and_leaves_a_run(tmp_path):
    history, facts = _fit(tmp_path, TrainConfig(epochs=5, learning_rate=0.5))
    assert history[-1]["val_loss"] < history[0]["val_loss"]
    assert history[-1]["val_dice"] > 0.9
    assert {"dice", "jaccard", "loss", "learning_rate", "val_jaccard"} <= set(history[-1])
    best = keras.saving.load_model(tmp_path / "best.keras")
    assert {tensor.name for tensor in best.inputs} == set(VIEWS)
    assert facts["epochs"] == 5
    assert facts["monitor"] == "val_loss"
    assert facts["best_epoch"] == 1 + int(np.argmin([row["val_loss"] for row in history]))
    assert facts["first_step_seconds"] > 0
    assert (tmp_path / "tensorboard" / "train").is_dir()


@pytest.mark.parametrize("options", [{}, {"cosine": True, "optimizer": "adam", "loss": "bce_dice"}])
def test_a_run_in_two_parts_is_the_run_in_one(tmp_path, options):
    train = TrainConfig(epochs=3, learning_rate=0.1, plateau_patience=1, **options)
    whole, _ = _fit(tmp_path / "whole", train)
    _fit(tmp_path / "parts", train, max_minutes=0.0)
    parts, facts = _fit(tmp_path / "parts", train)
    assert parts == whole
    assert facts["epochs"] == 3
    a, b = (keras.saving.load_model(tmp_path / name / "best.keras").get_weights() for name in ("whole", "parts"))
    for one, two in zip(a, b, strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_penalty_is_in_the_loss_but_decides_nothing(tmp_path):
    train = TrainConfig(epochs=3, learning_rate=0.1, loss="bce_dice", plateau_patience=1)
    whole, facts = _fit(tmp_path / "whole", train, penalty=Penalty("l2", 0.01))
    model = keras.saving.load_model(latest_checkpoint(tmp_path / "whole") / "model.keras")
    squares = sum(float(np.square(kernel).sum()) for kernel in convolution_kernels(model))
    assert whole[-1]["val_loss"] - whole[-1]["val_data_loss"] == pytest.approx(0.01 * squares, rel=1e-4)
    assert facts["monitor"] == "val_data_loss"
    _fit(tmp_path / "parts", train, penalty=Penalty("l2", 0.01), max_minutes=0.0)
    parts, _ = _fit(tmp_path / "parts", train, penalty=Penalty("l2", 0.01))
    assert parts == whole


def test_seconds_are_those_of_all_parts(tmp_path):
    train = TrainConfig(epochs=2)
    _fit(tmp_path, train, max_minutes=0.0)
    path = latest_checkpoint(tmp_path) / "state.json"
    state = json.loads(path.read_text())
    path.write_text(json.dumps(state | {"seconds": 1000.0}))
    write_manifest(path.parent)
    _, facts = _fit(tmp_path, train)
    assert 1000 < facts["seconds"] < 1000 + 300
    again = json.loads((latest_checkpoint(tmp_path) / "state.json").read_text())
    assert again["epoch"] == 2
    assert 1000 < again["seconds"] <= facts["seconds"] + 0.1


def test_a_finished_run_is_not_trained_further(tmp_path):
    train = TrainConfig(epochs=1)
    first, _ = _fit(tmp_path, train)
    # As a kill between the last checkpoint and the table leaves it.
    (tmp_path / "history.csv").unlink()
    again, facts = _fit(tmp_path, train)
    assert again == first
    assert len((tmp_path / "history.csv").read_text().splitlines()) == 2
    assert facts["first_step_seconds"] is None


def test_nan_stops_training_and_leaves_the_best_model(tmp_path):
    history, facts = _fit(tmp_path, TrainConfig(epochs=4), dataset=lambda first: _dataset(first, nan_from=12))
    assert len(history) == 1
    assert facts["diverged_in_epoch"] == 2
    assert latest_checkpoint(tmp_path).name == "epoch-0001"
    best = keras.saving.load_model(tmp_path / "best.keras")
    assert all(np.isfinite(weights).all() for weights in best.get_weights())


def test_without_validation_the_training_loss_decides(tmp_path):
    train = TrainConfig(epochs=2, plateau_patience=1)
    _, facts = fit_model(_network, _dataset, 4, None, train, tmp_path, prepare_process(train))
    assert facts["monitor"] == "loss"


@pytest.mark.parametrize("name", ["adamax", "adam", "rmsprop"])
def test_the_papers_optimizers_compile(name):
    model = _network()
    compile_model(model, TrainConfig(optimizer=name, learning_rate=0.01), 10)
    assert name in type(model.optimizer).__name__.lower()
    assert float(model.optimizer.learning_rate) == pytest.approx(0.01)


@pytest.mark.parametrize("name", ["adamax", "adam", "rmsprop"])
def test_accumulated_batches_are_one_large_batch(name):
    large, small = _network(), _network()
    small.set_weights(large.get_weights())
    compile_model(large, TrainConfig(optimizer=name, learning_rate=0.1), 10)
    compile_model(small, TrainConfig(optimizer=name, learning_rate=0.1, accumulate=2), 10)
    for batch, truth in _dataset().unbatch().batch(4).take(3):
        large.train_on_batch(batch, truth)
        for part in (slice(0, 2), slice(2, 4)):
            before = small.get_weights()
            small.train_on_batch({view: slices[part] for view, slices in batch.items()}, truth[part])
            changed = any((a != b).any() for a, b in zip(before, small.get_weights(), strict=True))
            assert changed == (part.start == 2)
    for one, two in zip(large.get_weights(), small.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-5)


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_precision_is_keras_policy(precision):
    try:
        prepare_process(TrainConfig(precision=precision))
        assert keras.mixed_precision.global_policy().name == precision
        model = _network()
        compile_model(model, TrainConfig(precision=precision), 10)
        # Only float16 is so narrow that small gradients vanish.
        scaled = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
        assert scaled == (precision == "mixed_float16")
    finally:
        keras.mixed_precision.set_global_policy("float32")


def test_mirrored_on_one_device_accumulates_as_without_it(tmp_path):
    train = TrainConfig(epochs=2, learning_rate=0.1, accumulate=2)
    plain, _ = _fit(tmp_path / "plain", train)
    mirrored, _ = _fit(tmp_path / "mirrored", replace(train, mirrored=True))
    assert mirrored == plain


def test_callbacks_have_configs():
    assert StopAfter(3.0).get_config() == {"minutes": 3.0}
