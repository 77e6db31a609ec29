"""Compiles and fits a network: the paper's optimisation on Keras' own `fit`, with checkpoints to go on from exactly.

Source: paper, "Pre-processing" (100 epochs, learning rate 0.001, x0.1 after 10 epochs without improvement), "Adamax
optimizer analysis", and Step 1 of the pruning section (binary cross-entropy).
"""

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import tensorflow as tf

from spine_tf.config import TrainConfig
from spine_tf.support.progress import is_quiet
from spine_tf.training.checkpoint import BestModel, Checkpoint, write_history
from spine_tf.training.checkpoint_files import latest_checkpoint, load_model
from spine_tf.training.cluster import check_switches, connect, mirror, read_cluster, worker_index
from spine_tf.training.distributed import fit_on_replicas, synchronize_normalization
from spine_tf.training.losses import get_loss
from spine_tf.training.metrics import training_metrics
from spine_tf.training.optimizers import OPTIMIZERS
from spine_tf.training.penalty import Penalty, penalise
from spine_tf.training.run_folder import RunFolder


def prepare_process(train: TrainConfig) -> tf.distribute.Strategy:
    """Seed everything, set precision and determinism, let GPU memory grow; returns the strategy to build under.

    To be called before TensorFlow's first operation where TF_CONFIG names several workers (`cluster.connect`).

    Raises:
        WorkerError: a switch is on that several workers or several devices cannot have.
    """
    keras.utils.set_random_seed(train.seed)
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    if train.deterministic:
        tf.config.experimental.enable_op_determinism()
    keras.mixed_precision.set_global_policy(train.precision)
    cluster = read_cluster()
    if cluster is not None:
        check_switches(train)
        return connect(cluster)
    return mirror(train) if train.mirrored else tf.distribute.get_strategy()


def compile_model(model: keras.Model, train: TrainConfig, total_steps: int, penalised: bool = False) -> None:
    """Compile for training: optimizer, loss, and Dice and Jaccard at 0.5 as metrics.

    With `penalised`, the metric `data_loss` is the loss without what `penalty.penalise` adds to it.
    """
    metrics = training_metrics()
    if penalised:
        loss = get_loss(train.loss)
        loss.reduction = "none"
        metrics.append(keras.metrics.MeanMetricWrapper(loss, name="data_loss"))
    rate = train.learning_rate
    if train.cosine:
        warm = max(1, min(100, total_steps // 10))
        rate = keras.optimizers.schedules.CosineDecay(
            train.learning_rate / 100, total_steps - warm, warmup_target=train.learning_rate, warmup_steps=warm
        )
    model.compile(
        optimizer=OPTIMIZERS[train.optimizer](
            learning_rate=rate, gradient_accumulation_steps=train.accumulate if train.accumulate > 1 else None
        ),
        loss=get_loss(train.loss),
        metrics=metrics,
        jit_compile=train.jit_compile,
    )
    # Left to `fit`, its state would be made inside the trace of the first step, which is then traced a second time.
    model.optimizer.build(model.trainable_variables)


class StopAfter(keras.callbacks.Callback):
    """End training with the epoch in which a time budget runs out."""

    def __init__(self, minutes: float):
        super().__init__()
        self.minutes = minutes
        self._start = time.monotonic()

    def get_config(self) -> dict:
        return {"minutes": self.minutes}

    def on_epoch_end(self, epoch, logs=None):
        if time.monotonic() - self._start > 60 * self.minutes:
            self.model.stop_training = True


class FirstStep(keras.callbacks.Callback):
    """Note the seconds from the start of `fit` to the end of its first step: tracing and graph optimisation."""

    def __init__(self):
        super().__init__()
        self.seconds = None
        self._start = time.monotonic()

    def get_config(self) -> dict:
        return {}

    def on_train_begin(self, logs=None):
        self._start = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        if self.seconds is None:
            self.seconds = time.monotonic() - self._start


def fit_model(
    build: Callable[[], keras.Model],
    dataset: Callable[[int], tf.data.Dataset],
    steps: int,
    validation: tf.data.Dataset | None,
    train: TrainConfig,
    folder: Path,
    strategy: tf.distribute.Strategy,
    max_minutes: float | None = None,
    penalty: Penalty | None = None,
    checkpoint_seconds: float = 0.0,
) -> tuple[list[dict], dict]:
    """Train, or go on training where the folder's last checkpoint stopped.

    Args:
        build: makes the model; not called when a checkpoint is there.
        dataset: first epoch (from 0) -> endless batches from that epoch on, as `cluster.share_of` cuts them.
        steps: batches in an epoch.
        validation: finite batches whose loss decides learning rate and best model; None: the training loss does.
        train: optimisation.
        folder: the run's folder; gets best.keras, checkpoints/, history.csv, tensorboard/, by the chief's hand alone.
        strategy: from `prepare_process`.
        max_minutes: end with the epoch in which this runs out.
        penalty: on the weights, added to the loss; it has no part in what is decided.
        checkpoint_seconds: at least so long between two checkpoints; 0: one after every epoch.

    Returns:
        history (one dict an epoch, of all epochs so far) and facts: seconds (of all parts of a
        run that was stopped and resumed), first_step_seconds, best_epoch, epochs,
        monitor, diverged_in_epoch (the epoch whose loss was not finite, where training ended).
    """
    found = latest_checkpoint(folder)
    with strategy.scope():
        model = load_model(found) if found else build()
        if penalty is not None:
            penalise(model, penalty)
        if not found:
            compile_model(model, train, steps * train.epochs, penalised=penalty is not None)
    # A penalty falls from epoch to epoch whatever the masks do, and would make the last epoch the best one.
    decides = "loss" if penalty is None else "data_loss"
    monitor = f"val_{decides}" if validation is not None else decides
    first_step = FirstStep()
    is_chief = worker_index(strategy) == 0
    tells = is_chief and not is_quiet()
    callbacks = [keras.callbacks.TerminateOnNaN(), first_step]
    if is_chief:
        callbacks.append(BestModel(folder, monitor))
    if not train.cosine:
        factor, patience = train.plateau_factor, train.plateau_patience
        plateau = keras.callbacks.ReduceLROnPlateau(monitor, factor, patience, verbose=int(tells), mode="min")
        callbacks.append(plateau)
    if is_chief:
        callbacks.append(keras.callbacks.TensorBoard(RunFolder(folder).tensorboard, write_graph=False))
    if max_minutes is not None:
        callbacks.append(StopAfter(max_minutes))
    checkpoint = Checkpoint(folder, callbacks, writes=is_chief, seconds_apart=checkpoint_seconds)
    done = len(checkpoint.history)
    # One line an epoch where nobody watches: a bar redrawn every step would fill a log file.
    verbose = (1 if sys.stdout.isatty() else 2) if tells else 0
    callbacks.append(checkpoint)
    if done < train.epochs:
        batches = dataset(done)
        run_epochs(model, strategy, batches, validation, train, callbacks, steps, done, train.epochs, verbose=verbose)
    if is_chief and checkpoint.history:
        # Also where the run was killed between its last checkpoint and this file.
        write_history(RunFolder(folder).history, checkpoint.history)
    # From the history, not from the callback: a run that was finished before has not trained here.
    best = min(checkpoint.history, key=lambda row: row[monitor], default=None)
    facts = {
        "seconds": round(checkpoint.seconds, 1),
        "first_step_seconds": round(first_step.seconds, 1) if first_step.seconds else None,
        "best_epoch": best["epoch"] if best else None,
        "epochs": len(checkpoint.history),
        "monitor": monitor,
        "diverged_in_epoch": checkpoint.diverged,
    }
    return checkpoint.history, facts


def run_epochs(
    model: keras.Model,
    strategy: tf.distribute.Strategy,
    batches: tf.data.Dataset,
    validation: tf.data.Dataset | None,
    train: TrainConfig,
    callbacks: Sequence[keras.callbacks.Callback],
    steps: int,
    first_epoch: int,
    epochs: int,
    verbose: int,
) -> None:
    """Train a compiled model: on one device by Keras' `fit`, on several by `distributed.fit_on_replicas`.

    Args:
        model: as `fit_on_replicas` takes it, as are the others; `batches` is its `dataset`.
        train: its loss is used, what the model was compiled with.
    """
    if strategy.num_replicas_in_sync > 1:
        fit_on_replicas(
            model, strategy, batches, validation, train.loss, callbacks, steps, first_epoch, epochs, verbose=verbose
        )
        return
    # A checkpoint may be of several devices.
    synchronize_normalization(model, False)
    model.fit(
        batches,
        steps_per_epoch=steps,
        initial_epoch=first_epoch,
        epochs=epochs,
        validation_data=validation,
        callbacks=list(callbacks),
        shuffle=False,
        verbose=verbose,
    )
