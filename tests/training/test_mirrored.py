"""Two devices of one machine, both of them its CPU. The file is also the program that trains on them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.support.paths import ROOT

STEPS, EPOCHS = 5, 2


def _make_two_devices() -> None:
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)


def _overflow(folder: Path) -> None:
    """Three steps in float16, where the second overflows on the second device alone."""
    import keras
    import tensorflow as tf

    from spine_tf.config import TrainConfig
    from spine_tf.training.distributed import fit_on_replicas
    from spine_tf.training.fit import prepare_process

    strategy = prepare_process(TrainConfig(precision="mixed_float16", mirrored=True))
    images = np.ones((6, 2, 1, 1, 3), np.float32)
    images[3] = 1e30
    dataset = tf.data.Dataset.from_tensor_slices((images, np.zeros_like(images))).repeat()
    with strategy.scope():
        inputs = keras.Input((1, 1, 3))
        dense = keras.layers.Dense(3, kernel_initializer="ones", use_bias=False, name="dense")
        model = keras.Model(inputs, keras.layers.Activation("linear", dtype="float32")(dense(inputs)))
        model.compile(keras.optimizers.SGD(0.01), "mean_squared_error", jit_compile=False)
        model.optimizer.build(model.trainable_variables)
    fit_on_replicas(model, strategy, dataset, None, "bce", [], 3, 0, 1, verbose=0)
    kernels = strategy.experimental_local_results(dense.kernel.value)
    np.savez(
        folder / "weights.npz",
        kernels=np.stack([kernel.numpy() for kernel in kernels]),
        scale=model.optimizer.dynamic_scale.numpy() / model.optimizer.initial_scale,
        updates=model.optimizer.inner_optimizer.iterations.numpy(),
    )


def _train(folder: Path) -> None:
    """A run of `fit_model` on two devices, and one on a single device, with the same batches."""
    import keras
    import tensorflow as tf

    from spine_tf.config import VIEWS, DataConfig, PreprocessSpec, TrainConfig
    from spine_tf.data.pipeline import _batches, _endless
    from spine_tf.models.layers import FusedBatchNormalization
    from spine_tf.training.checkpoint_files import latest_checkpoint, load_model
    from spine_tf.training.cluster import share_of
    from spine_tf.training.fit import fit_model, prepare_process
    from spine_tf.training.penalty import Penalty

    def draw(index):
        rng = np.random.default_rng(int(index))
        views = rng.random((3, 32, 32, 3), np.float32)
        return *views, np.moveaxis(views[..., 1] > 0.5, 0, -1).astype(np.float32)

    def build():
        inputs = [keras.Input((32, 32, 3), name=view) for view in VIEWS]
        # Without a bias: its gradient would be zero but for rounding, which Adamax makes as large as any other.
        convolve = keras.layers.Conv2D(8, 3, padding="same", use_bias=False, name="conv")
        maps = convolve(keras.layers.Concatenate(name="maps")(inputs))
        maps = keras.layers.ReLU(name="relu")(FusedBatchNormalization(momentum=0.9, name="norm")(maps))
        return keras.Model(inputs, keras.layers.Conv2D(3, 1, activation="sigmoid", name="mask")(maps))

    spec, data = PreprocessSpec(image_size=32), DataConfig(batch_size=8, triplets_per_case=STEPS * 8, workers=1)
    validation = _batches(tf.data.Dataset.range(10**6, 10**6 + 12), draw, spec, data, 8)
    for mirrored in (True, False):
        train = TrainConfig(epochs=EPOCHS, loss="bce_dice", learning_rate=0.01, mirrored=mirrored)
        strategy = prepare_process(train)
        share = share_of(strategy, 8)
        assert share.devices == strategy.num_replicas_in_sync == (2 if mirrored else 1)
        run = folder / ("mirrored" if mirrored else "plain")

        def dataset(first, share=share):
            return _endless(draw, 1, spec, data, first, share)

        penalty = Penalty("l2", 0.01)
        history, facts = fit_model(build, dataset, STEPS, validation, train, run, strategy, penalty=penalty)
        assert facts["monitor"] == "val_data_loss"
        model = load_model(latest_checkpoint(run))
        weights = {v.path.replace("/", "."): v.numpy() for v in model.variables}
        np.savez(folder / f"{run.name}.npz", **weights)
        (folder / f"{run.name}.json").write_text(json.dumps(history))


def _run(program: str, folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, __file__, program, str(folder)],
        env=os.environ | {"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_a_step_that_overflows_on_one_device_is_left_out_by_both(tmp_path):
    _run("overflow", tmp_path)
    found = dict(np.load(tmp_path / "weights.npz"))
    assert found["updates"] == 2
    assert found["scale"] == 0.5
    # y = 3 at first; d(mean y^2)/dw = 2 y / 3 for each of the 3 x 3 weights, and y falls by 3 x 0.01 times that.
    np.testing.assert_allclose(found["kernels"], np.full((2, 3, 3), (1 - 0.02) ** 2), rtol=1e-3)
    np.testing.assert_array_equal(found["kernels"][0], found["kernels"][1])


def test_two_devices_are_one_with_the_whole_batch(tmp_path):
    _run("train", tmp_path)
    two, one = (dict(np.load(tmp_path / f"{name}.npz")) for name in ("mirrored", "plain"))
    assert {"conv.kernel", "norm.gamma", "norm.moving_mean"} <= set(one)
    for name, value in one.items():
        # Alone, the fused kernel keeps the unbiased moving variance: n / (n - 1) with n = 8 x 32 x 32.
        assert np.linalg.norm(two[name] - value) <= 1e-3 * np.linalg.norm(value), name
    histories = [json.loads((tmp_path / f"{name}.json").read_text()) for name in ("mirrored", "plain")]
    assert [len(history) for history in histories] == [EPOCHS, EPOCHS]
    assert histories[0][-1]["loss"] < histories[0][0]["loss"]
    assert all(row["val_loss"] > row["val_data_loss"] > 0 for row in histories[0])  # the penalty on the weights
    for two_epoch, one_epoch in zip(*histories, strict=True):
        assert two_epoch.keys() == one_epoch.keys()
        for name, value in one_epoch.items():
            assert two_epoch[name] == pytest.approx(value, abs=2e-3), name


if __name__ == "__main__":
    _make_two_devices()
    {"overflow": _overflow, "train": _train}[sys.argv[1]](Path(sys.argv[2]))
