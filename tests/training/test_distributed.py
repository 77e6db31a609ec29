"""Two workers on this machine's loopback. The file is also the program that each of them runs."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.support.paths import ROOT, SCRIPTS

STEPS, EPOCHS = 7, 3
SCRIPT = SCRIPTS / "train.py"


def _overflow(folder: Path) -> None:
    """Three steps with a scaled loss, where the second overflows on the second worker alone."""
    import keras
    import tensorflow as tf

    from spine_tf.training.cluster import connect, read_cluster, worker_index
    from spine_tf.training.distributed import fit_on_replicas

    strategy = connect(read_cluster())
    index = worker_index(strategy)
    images = np.ones((3, 2, 1, 1, 3), np.float32)
    if index == 1:
        images[1] = 1e30
    dataset = tf.data.Dataset.from_tensor_slices((images, np.zeros_like(images))).repeat()
    with strategy.scope():
        inputs = keras.Input((1, 1, 3))
        model = keras.Model(
            inputs, keras.layers.Dense(3, kernel_initializer="ones", use_bias=False, name="dense")(inputs)
        )
        optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.01), initial_scale=1024.0)
        model.compile(optimizer, "mean_squared_error")
        optimizer.build(model.trainable_variables)
    fit_on_replicas(model, strategy, dataset, None, "bce", [], 3, 0, 1, verbose=0)
    np.savez(
        folder / f"weights-{index}.npz",
        kernel=model.get_layer("dense").kernel.numpy(),
        scale=optimizer.dynamic_scale.numpy(),
        updates=optimizer.inner_optimizer.iterations.numpy(),
    )


def _worker(folder: Path) -> None:
    """Train for 21 steps, alone or as TF_CONFIG says, and leave weights and logs."""
    import keras
    import tensorflow as tf

    from spine_tf.config import VIEWS, DataConfig, PreprocessSpec
    from spine_tf.data.pipeline import _batches, _endless
    from spine_tf.models.layers import FusedBatchNormalization
    from spine_tf.training.cluster import connect, read_cluster, share_of, sum_over_workers, worker_index
    from spine_tf.training.distributed import fit_on_replicas
    from spine_tf.training.losses import BCEDiceLoss
    from spine_tf.training.metrics import training_metrics

    keras.utils.set_random_seed(0)
    tf.config.experimental.enable_op_determinism()
    cluster = read_cluster()
    strategy = connect(cluster) if cluster else tf.distribute.get_strategy()

    def draw(index):
        rng = np.random.default_rng(int(index))
        views = rng.random((3, 32, 32, 3), np.float32)
        return *views, np.moveaxis(views[..., 1] > 0.5, 0, -1).astype(np.float32)

    spec, data = PreprocessSpec(image_size=32), DataConfig(batch_size=8, triplets_per_case=STEPS * 8, workers=1)
    share = share_of(strategy, 8)
    dataset = _endless(draw, 1, spec, data, 0, share)
    # Three batches for two workers, the last of another size.
    indices = tf.data.Dataset.range(10**6, 10**6 + 20).batch(8).shard(share.count, share.index).unbatch()
    validation = _batches(indices, draw, spec, data, 8)
    with strategy.scope():
        inputs = [keras.Input((32, 32, 3), name=view) for view in VIEWS]
        maps = keras.layers.Concatenate(name="maps")(inputs)
        maps = keras.layers.Conv2D(8, 3, padding="same", name="conv")(maps)
        norm = FusedBatchNormalization(momentum=0.9, name="norm")
        maps = norm(maps)
        mask = keras.layers.Conv2D(3, 1, activation="sigmoid", name="mask")(keras.layers.ReLU(name="relu")(maps))
        if cluster is None:
            # The fused kernel alone has another moving variance, the unbiased one.
            norm.synchronized = True
        model = keras.Model(inputs, mask)
        model.compile(keras.optimizers.SGD(0.5), BCEDiceLoss(), metrics=training_metrics())
        model.optimizer.build(model.trainable_variables)

    class Logs(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.all = []

        def on_epoch_end(self, epoch, logs=None):
            self.all.append({name: float(value) for name, value in logs.items()})

    logs, index = Logs(), worker_index(strategy)
    plateau = keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=1, min_delta=10.0, mode="min")
    if cluster:
        fit_on_replicas(model, strategy, dataset, validation, "bce_dice", [logs, plateau], STEPS, 0, EPOCHS, verbose=0)
        assert sum_over_workers(strategy, [1.0, index]).tolist() == [2.0, 1.0]
    else:
        model.fit(
            dataset,
            steps_per_epoch=STEPS,
            epochs=EPOCHS,
            validation_data=validation,
            callbacks=[logs, plateau],
            verbose=2,
        )
    rate = {"learning_rate": model.optimizer.learning_rate.numpy()}
    np.savez(folder / f"weights-{index}.npz", **rate, **{v.path.replace("/", "."): v.numpy() for v in model.variables})
    (folder / f"logs-{index}.json").write_text(json.dumps(logs.all))


def _cluster(workers: int = 2) -> list[dict]:
    """The environment of each worker of a cluster on free ports."""
    sockets = [socket.socket() for _ in range(workers)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    tasks = [{"cluster": {"worker": addresses}, "task": {"type": "worker", "index": i}} for i in range(workers)]
    plain = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    return [plain | {"TF_CONFIG": json.dumps(task)} for task in tasks]


STARTED: list[subprocess.Popen] = []


@pytest.fixture(autouse=True, scope="module")
def _no_worker_is_left():
    yield
    for process in STARTED:
        process.kill()


def _start(command: list[str], environment: dict, log: Path) -> subprocess.Popen:
    process = subprocess.Popen(
        [sys.executable, *command],
        env=environment | {"PYTHONPATH": str(ROOT)},
        stdout=log.open("w"),
        stderr=subprocess.STDOUT,
    )
    STARTED.append(process)
    return process


def _wait(process: subprocess.Popen, log: Path, seconds: float = 240) -> int:
    try:
        return process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        pytest.fail(f"still running after {seconds} s:\n{log.read_text()[-3000:]}")


def _run_all(environments: list[dict], program: str, folder: Path) -> None:
    """This file's program in each environment, side by side, until all have ended well."""
    logs = [folder / f"{i}.log" for i in range(len(environments))]
    started = [_start([__file__, program, str(folder)], e, log) for e, log in zip(environments, logs, strict=True)]
    for process, log in zip(started, logs, strict=True):
        assert _wait(process, log) == 0, log.read_text()[-3000:]


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> dict[str, list]:
    """Weights and logs of one process, and of two workers."""
    results = {}
    for name, environments in {"one": [os.environ | {"CUDA_VISIBLE_DEVICES": ""}], "two": _cluster()}.items():
        folder = tmp_path_factory.mktemp(name)
        _run_all(environments, "train", folder)
        results[name] = [
            (dict(np.load(folder / f"weights-{i}.npz")), json.loads((folder / f"logs-{i}.json").read_text()))
            for i in range(len(environments))
        ]
    return results


def test_two_workers_end_with_exactly_equal_weights(trained):
    (first, first_logs), (second, second_logs) = trained["two"]
    assert {"norm.moving_mean", "norm.moving_variance", "conv.kernel"} <= set(first)
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name], err_msg=name)
    assert first_logs == second_logs


def test_two_workers_are_one_with_the_whole_batch(trained):
    (two, two_logs), (one, one_logs) = trained["two"][0], trained["one"][0]
    for name, value in one.items():
        np.testing.assert_allclose(two[name], value, atol=1e-4, err_msg=name)
    assert len(two_logs) == len(one_logs) == EPOCHS
    for two_epoch, one_epoch in zip(two_logs, one_logs, strict=True):
        assert two_epoch.keys() == one_epoch.keys()
        for name, value in one_epoch.items():
            assert two_epoch[name] == pytest.approx(value, abs=2e-3), name
    # No epoch is better by min_delta: the plateau halves it after the second, and again after the third.
    assert two["learning_rate"] == 0.125


def test_a_step_that_overflows_on_one_worker_is_left_out_by_both(tmp_path):
    _run_all(_cluster(), "overflow", tmp_path)
    first, second = (dict(np.load(tmp_path / f"weights-{index}.npz")) for index in (0, 1))
    for found in (first, second):
        assert found["updates"] == 2
        assert found["scale"] == 512.0
    # y = 3 at first; d(mean y^2)/dw = 2 y / 3 for each of the 3 x 3 weights, and y falls by 3 x 0.01 times that.
    np.testing.assert_allclose(first["kernel"], (1 - 0.02) ** 2, rtol=1e-5)
    np.testing.assert_array_equal(first["kernel"], second["kernel"])


def test_workers_get_endless_batches_without_a_tuner():
    import tensorflow as tf

    from spine_tf.training.distributed import _distributable

    options = tf.data.Options()
    options.autotune.ram_budget = 2**30
    numbers = _distributable(tf.data.Dataset.range(2).repeat().prefetch(tf.data.AUTOTUNE).with_options(options))
    assert numbers.options().autotune.enabled is False
    # What the pipeline had set is kept.
    assert numbers.options().autotune.ram_budget == 2**30
    assert numbers.cardinality() == tf.data.INFINITE_CARDINALITY
    assert [int(number) for number in numbers.take(3)] == [0, 1, 0]


def test_every_normalisation_of_a_model_is_switched_inner_models_too():
    import keras

    from spine_tf.models.layers import FusedBatchNormalization
    from spine_tf.training.distributed import synchronize_normalization

    inner = keras.Sequential([keras.Input((4, 4, 3)), FusedBatchNormalization(name="one")], name="inner")
    inputs = keras.Input((4, 4, 3))
    model = keras.Model(inputs, keras.layers.BatchNormalization(name="two")(inner(inputs)))
    for on in (True, False):
        synchronize_normalization(model, on)
        assert [inner.get_layer("one").synchronized, model.get_layer("two").synchronized] == [on, on]


def _command(scans: Path, run: Path, *more: str) -> list[str]:
    globs = ("--images", str(scans / "ct" / "*.nii.gz"), "--masks", str(scans / "masks" / "*.nii.gz"))
    flags = ("--preset", "tiny", "--epochs", "3", "--triplets-per-case", "16", "--deterministic", "--min-box-mm", "10")
    return [str(SCRIPT), "--run", str(run), *flags, *globs, "--val-fraction", "0.25", *more]


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_worker_ends_the_other_and_a_resumed_run_goes_on(six_scans, tmp_path, killed):
    run, logs = tmp_path / "run", [tmp_path / "chief.log", tmp_path / "worker.log"]
    command = _command(six_scans, run)
    started = [_start(command, e, log) for e, log in zip(_cluster(), logs, strict=True)]
    deadline = time.monotonic() + 300
    while not list(run.glob("checkpoints/epoch-*")):
        assert started[0].poll() is None, logs[0].read_text()[-3000:]
        assert time.monotonic() < deadline, logs[0].read_text()[-3000:]
        time.sleep(0.02)
    started[killed].send_signal(signal.SIGKILL)
    begin, other = time.monotonic(), 1 - killed
    assert _wait(started[other], logs[other], 120) == 2
    print(f"worker {other} ended {time.monotonic() - begin:.0f} s after worker {killed} was killed")
    text = logs[other].read_text()
    assert "error: every worker of TF_CONFIG must stay reachable" in text
    assert "--resume" in text
    assert "Traceback" not in text

    resumed = [str(SCRIPT), "--run", str(run), "--resume"]
    found = sorted(run.glob("checkpoints/epoch-*"))[-1].name
    started = [_start(resumed, e, log) for e, log in zip(_cluster(), logs, strict=True)]
    for process, log in zip(started, logs, strict=True):
        assert _wait(process, log) == 0, log.read_text()[-3000:]
    assert "the chief writes model and report" in logs[1].read_text()
    report = json.loads((run / "report.json").read_text())
    assert report["training"]["epochs"] == 3
    rows = (run / "history.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["epoch", "1", "2", "3"]
    assert found in ("epoch-0001", "epoch-0002")

    more = tmp_path / "more.log"
    alone = _start([*resumed, "--epochs", "4"], os.environ | {"CUDA_VISIBLE_DEVICES": ""}, more)
    assert _wait(alone, more) == 0, more.read_text()[-3000:]
    assert json.loads((run / "report.json").read_text())["training"]["epochs"] == 4


@pytest.mark.slow
def test_workers_that_train_something_else_are_refused_on_both_sides(six_scans, tmp_path):
    logs = [tmp_path / "chief.log", tmp_path / "worker.log"]
    commands = [_command(six_scans, tmp_path / "run"), _command(six_scans, tmp_path / "run", "--seed", "5")]
    started = [_start(c, e, log) for c, e, log in zip(commands, _cluster(), logs, strict=True)]
    for process, log in zip(started, logs, strict=True):
        assert _wait(process, log) == 2, log.read_text()[-3000:]
        assert "error: config must be the same for all workers" in log.read_text()
    assert not (tmp_path / "run" / "config.json").exists()


if __name__ == "__main__":
    {"train": _worker, "overflow": _overflow}[sys.argv[1]](Path(sys.argv[2]))
