"""Tries out one way of training for a few steps: what `gpu_check` runs in a process each.

Real optimiser, loss, loop and network; the triplets are noise, whose bright pixels are the mask. TensorFlow is imported
where it is used: the process sets its environment first.
"""

import os
import statistics
import time
from dataclasses import dataclass, field

from spine_tf.config import PRESETS, VIEWS, TrainConfig, with_changes
from spine_tf.support.device import quiet_loading
from spine_tf.support.environment import describe_environment, peak_memory_gib
from spine_tf.support.errors import WorkerError
from spine_tf.support.progress import quieted

PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")
CPU_XLA_FLAGS = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
"""Halve the minutes that XLA takes to compile for a CPU, whose speed is not measured here."""
HUGE = 1e30
"""A target whose gradient no float16 holds; the loss stays finite."""


@dataclass(frozen=True)
class Trial:
    """One way of training, or of scoring filters."""

    train: TrainConfig = field(default_factory=TrainConfig)
    preset: str = "tiny"
    steps: int = 3
    """Of training."""
    what: str = "training"
    """`training`; `overflow`: the second step overflows on the last device alone; `scoring`: of filters, twice."""

    @property
    def name(self) -> str:
        """What is tried, in words."""
        train = self.train
        words = {
            "XLA": train.jit_compile,
            "mirrored": train.mirrored,
            f"accumulate {train.accumulate}": train.accumulate > 1,
            "deterministic": train.deterministic,
            train.optimizer: train.optimizer != "adamax",
        }
        kind = {"training": (), "overflow": ("overflow on one device",), "scoring": ("scoring of filters",)}[self.what]
        return ", ".join([*kind, train.precision, *(word for word, is_on in words.items() if is_on)])

    def is_refused(self, devices: int) -> bool:
        """Tell whether `training.cluster.check_switches` refuses this on so many devices."""
        return self.train.mirrored and devices > 1 and (self.train.jit_compile or self.train.accumulate > 1)


def make_trials(preset: str, devices: int) -> list[Trial]:
    """List what is tried on a machine: what users ask for most comes first.

    Args:
        preset: of the network.
        devices: GPUs; without one, the CPU devices that take their place.

    Example:
        >>> make_trials("tiny", 1)[0].name
        'mixed_float16, XLA'
    """
    half, *others = PRECISIONS[1], PRECISIONS[2], PRECISIONS[0]
    asked = [{"precision": half, "jit_compile": True}, {"precision": half, "mirrored": True}]
    asked += [{"precision": half, "mirrored": True, "accumulate": 2}]
    for precision in (half, *others):
        same = {"precision": precision}
        asked += [same | {"jit_compile": jit, "accumulate": n} for n in (1, 2) for jit in (False, True)]
        asked += [same | {"mirrored": True}, same | {"deterministic": True}]
    asked += [
        {"precision": half, "optimizer": o, "jit_compile": jit} for o in ("adam", "rmsprop") for jit in (False, True)
    ]
    asked += [{"precision": half, "mirrored": True, "jit_compile": True}]
    trials = [Trial(TrainConfig(**switches), preset) for switches in asked]
    trials += [Trial(TrainConfig(precision=p, deterministic=True), preset, what="scoring") for p in PRECISIONS]
    if devices > 1:
        trials.insert(2, Trial(TrainConfig(precision=half, mirrored=True), preset, what="overflow"))
    return list(dict.fromkeys(trials))


def describe_machine() -> dict:
    """Describe this process' environment, as `describe_environment` does, once TensorFlow has looked for GPUs."""
    with quiet_loading():
        import tensorflow as tf  # noqa: F401
    return describe_environment()


def run_trial(trial: Trial, gpus: int, cpu_devices: int = 2) -> dict:
    """Run a trial in this process, which has not imported TensorFlow yet.

    Args:
        trial: what is tried.
        gpus: how many GPUs there are.
        cpu_devices: without a GPU, into how many devices the CPU is divided for what is mirrored.

    Returns:
        first_step_seconds, step_seconds (the median of the others), updates, loss, memory_gib (of the first GPU, else
        of the process).

    Raises:
        WorkerError: what is tried is refused on several devices.
        ArithmeticError: a loss, weight or score is not finite, or not what it must be.
    """
    if not gpus:
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {CPU_XLA_FLAGS}".strip()
    with quiet_loading():
        import tensorflow as tf
    from spine_tf.models import build_model
    from spine_tf.training.fit import compile_model, prepare_process

    if not gpus and trial.train.mirrored:
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * cpu_devices)
    strategy, config = prepare_process(trial.train), PRESETS[trial.preset]
    if trial.preset == "tiny":
        # Half of the layers to trace and compile, and none of another kind less.
        config = with_changes(config, model={"share_branches": True})
    devices = strategy.num_replicas_in_sync
    size = -(-config.data.batch_size // devices)  # of a device
    batches = _batches(size, config.preprocess.image_size, devices if trial.what == "overflow" else 0)
    with strategy.scope():
        model = build_model(config.model, config.preprocess.image_size)
        compile_model(model, trial.train, trial.steps)
    found = _score(model, batches) if trial.what == "scoring" else _train(model, strategy, batches, trial, devices)
    found["memory_gib"] = round(
        tf.config.experimental.get_memory_info("GPU:0")["peak"] / 2**30 if gpus else peak_memory_gib(), 2
    )
    return found


def _batches(size: int, side: int, overflows: int):
    """Endless batches of a device's triplets; with `overflows`, the last device's second one has a huge target."""
    import numpy as np
    import tensorflow as tf

    def draw(index):
        views = np.random.default_rng(int(index)).random((3, size, side, side, 3), np.float32)
        mask = np.moveaxis(views[..., 1] > 0.5, 0, -1).astype(np.float32)
        return *views, mask * np.float32(HUGE if overflows and index == 2 * overflows - 1 else 1)

    def load(index):
        shape = (size, side, side, 3)
        *images, mask = (tf.ensure_shape(a, shape) for a in tf.numpy_function(draw, [index], [tf.float32] * 4))
        return dict(zip(VIEWS, images, strict=True)), mask

    return tf.data.Dataset.range(tf.int64.max).map(load).prefetch(2)


def _train(model, strategy, batches, trial: Trial, devices: int) -> dict:
    """Take the trial's steps; see `run_trial`."""
    import keras
    import numpy as np

    from spine_tf.training.fit import run_epochs

    class Clock(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.seconds, self.losses = [], []

        def on_train_batch_begin(self, batch, logs=None):
            # Before the first step only: what lies between two steps is part of the next one.
            self.seconds = self.seconds or [time.monotonic()]

        def on_train_batch_end(self, batch, logs=None):
            self.losses.append(float(logs["loss"]))  # waits for the device
            self.seconds.append(time.monotonic())

    clock, before = Clock(), [np.asarray(weight) for weight in model.trainable_variables]
    run_epochs(model, strategy, batches, None, trial.train, [clock], trial.steps, 0, 1, verbose=0)
    optimizer = model.optimizer
    updates = int(getattr(optimizer, "inner_optimizer", optimizer).iterations.numpy())
    _require_finite(clock.losses, "the loss")
    for weight in model.variables:
        values = strategy.experimental_local_results(weight.value)
        _require_finite(values[0], weight.path)
        if not all(np.array_equal(values[0], other) for other in values[1:]):
            raise ArithmeticError(f"weights must be equal on all devices. Received: {weight.path} of {len(values)}")
    moved = any((a != np.asarray(b)).any() for a, b in zip(before, model.trainable_variables, strict=True))
    # Keras begins with a scale that may be too large for the first steps too, and halves it until it fits.
    if trial.what == "overflow" and updates == trial.steps:
        raise ArithmeticError(f"a step of {trial.steps} must be left out. Received: {updates} updates")
    if updates and not moved:
        raise ArithmeticError(f"weights must change in {updates} updates. Received: none did")
    first, *others = np.diff(clock.seconds).tolist()
    step = round(statistics.median(others), 4) if others else None
    times = {"first_step_seconds": round(first, 1), "step_seconds": step}
    return times | {"updates": updates, "loss": clock.losses[-1], "devices": devices}


def _score(model, batches) -> dict:
    """Score filters twice by the gradient of two batches; both times must give the same."""
    import numpy as np

    from spine_tf.pruning.sensitivity import gradient_sensitivity

    start = time.monotonic()
    one, two = (gradient_sensitivity(model, batches.take(2)) for _ in range(2))
    for layer, scores in one.items():
        _require_finite(scores, layer)
        if not np.array_equal(scores, two[layer]):
            raise ArithmeticError(f"scores must be the same twice under determinism. Received: others of {layer!r}")
    seconds = round((time.monotonic() - start) / 2, 1)
    return {"first_step_seconds": seconds, "step_seconds": None, "updates": None, "loss": None, "devices": 1}


def _require_finite(values, name: str) -> None:
    import numpy as np

    values = np.asarray(values)
    if np.issubdtype(values.dtype, np.floating) and not np.isfinite(values).all():
        raise ArithmeticError(f"{name} must be finite. Received: {int((~np.isfinite(values)).sum())} values are not")


def outcome(trial: Trial, gpus: int, cpu_devices: int = 2) -> dict:
    """Run a trial and say how it ended: `run_trial`'s facts, "result" (passed, refused or FAILED) and "error"."""
    devices = gpus or (cpu_devices if trial.train.mirrored else 1)
    expected = trial.is_refused(devices)
    try:
        with quieted(True):
            found = run_trial(trial, gpus, cpu_devices)
    except WorkerError as error:
        return {"result": "refused" if expected else "FAILED", "error": str(error)}
    except Exception as error:  # whatever a device may raise is a row of the table
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or ["without a message"]
        return {"result": "FAILED", "error": f"{type(error).__name__}: {lines[0][:300]}"}
    if expected:
        return found | {"result": "FAILED", "error": "must be refused on several devices, and was not"}
    return found | {"result": "passed", "error": ""}
