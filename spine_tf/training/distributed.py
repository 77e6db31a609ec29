"""Trains on several devices, of one machine or of several: a loop around `strategy.run`, with the callbacks of a run.

Keras 3's `fit` fails under MultiWorkerMirroredStrategy; under MirroredStrategy a float16 step that overflows on one
device alone makes all weights NaN there. Whatever the number of devices, a step is one update by the gradient over
`batch_size` triplets, and its triplets are those of a run on one: a run may be stopped and resumed on more devices or
fewer. One thing differs: alone, the fused batch normalisation keeps the unbiased moving variance, n / (n - 1) times the
one here.
"""

from collections.abc import Iterable, Sequence
from contextlib import nullcontext

import keras
import tensorflow as tf

from spine_tf.training.cluster import is_spread, lost_workers, sum_over_workers
from spine_tf.training.losses import get_loss
from spine_tf.training.metrics import training_metrics


def fit_on_replicas(
    model: keras.Model,
    strategy: tf.distribute.Strategy,
    dataset: tf.data.Dataset,
    validation: Iterable | None,
    loss: str,
    callbacks: Sequence[keras.callbacks.Callback],
    steps: int,
    first_epoch: int,
    epochs: int,
    verbose: int,
) -> None:
    """Train as `keras.Model.fit` does, on every device of the strategy; all its workers must call it.

    Args:
        model: built, compiled and its optimizer built in the strategy's scope.
        strategy: of several devices.
        dataset: endless batches, each of one device's triplets, in the order of this worker's devices
            (`pipeline.Share`).
        validation: finite batches, this worker's part of them.
        loss: `TrainConfig.loss`; what the model was compiled with.
        callbacks: of this worker. The logs they see are those of all workers together, and the same on each.
        steps: batches in an epoch.
        first_epoch: 0, or the number of epochs done.
        epochs: in all.
        verbose: as of `keras.Model.fit`; 0 on all workers but one.

    Raises:
        WorkerError: another worker was lost.
    """
    # With its own batch alone each device would end with other moving statistics, which Keras does not average.
    synchronize_normalization(model, True)
    with lost_workers() if is_spread(strategy) else nullcontext():
        endless = _distributable(dataset)
        batches = iter(strategy.distribute_datasets_from_function(lambda context: endless))
        step, scores = _training_step(model, strategy), _Scores(model, strategy, loss)
        called = keras.callbacks.CallbackList(
            list(callbacks), add_progbar=True, model=model, verbose=verbose, epochs=epochs, steps=steps
        )
        model.stop_training = False
        called.on_train_begin()
        for epoch in range(first_epoch, epochs):
            called.on_epoch_begin(epoch)
            for number in range(steps):
                called.on_train_batch_begin(number)
                value, mask, predicted = step(next(batches))
                scores.add(value, mask, predicted)
                called.on_train_batch_end(number, {"loss": float(value)})
                if model.stop_training:
                    break
            logs = scores.take()
            if validation is not None:
                logs |= {f"val_{name}": score for name, score in scores.of(validation).items()}
            called.on_epoch_end(epoch, logs)
            # One worker's clock or callback decides for all.
            if sum_over_workers(strategy, [model.stop_training]).any():
                break
        called.on_train_end()


def synchronize_normalization(model: keras.Model, on: bool) -> None:
    """Have every batch normalisation take its statistics over the batches of all replicas, or of its own alone.

    Args:
        model: changed in place, nested models included.
        on: True for all replicas.
    """
    for layer in model._flatten_layers(include_self=False):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = on


def _distributable(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Endless batches as the workers' strategy should get them."""
    options = tf.data.Options()
    # A distributed iterator does not wake the tuner's thread when it is closed, but waits until that looks again: up to
    # a minute in which the other workers wait, at the end of a run or when one of them is lost.
    options.autotune.enabled = False
    # Said to be endless, or the workers would ask each other in every step whether there is another batch.
    endless = tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
    return dataset.apply(endless).with_options(options)


def _training_step(model: keras.Model, strategy: tf.distribute.Strategy):
    """Batch -> the mean loss over all replicas, and (targets, predictions) of each replica of this worker."""

    def of_replica(batch):
        images, mask = batch
        with tf.GradientTape() as tape:
            predicted = model(images, training=True)
            # Divided by the number of replicas: their gradients are added up.
            loss = model.compute_loss(images, mask, predicted, training=True)
            scaled = model.optimizer.scale_loss(loss)
        weights = model.trainable_variables
        gradients = tape.gradient(scaled, weights)
        if isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer):
            gradients = _not_finite_for_all(gradients)
        model.optimizer.apply_gradients(zip(gradients, weights, strict=True))
        return loss, mask, predicted

    @tf.function
    def step(batch):
        loss, *seen = strategy.run(of_replica, args=(batch,))
        mask, predicted = (tf.concat(strategy.experimental_local_results(values), axis=0) for values in seen)
        return strategy.reduce("SUM", loss, axis=None), mask, predicted

    return step


def _not_finite_for_all(gradients: list[tf.Tensor]) -> list[tf.Tensor]:
    """The gradients of a replica, made NaN where those of any replica are not finite.

    `LossScaleOptimizer` leaves out a step by what its own replica sees, before gradients are added up: the others would
    wait for it for ever.
    """
    own = tf.add_n([tf.cast(tf.reduce_any(~tf.math.is_finite(gradient)), tf.float32) for gradient in gradients])
    everyone = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, own)
    added = tf.where(everyone > 0.0, float("nan"), 0.0)
    return [gradient + tf.cast(added, gradient.dtype) for gradient in gradients]


class _Scores:
    """Loss and metrics over the triplets of all workers: counted by each of them, added up at the end of an epoch.

    Of a model with a penalty on its weights, `data_loss` is the loss without it, as `fit.compile_model` has it.
    """

    def __init__(self, model: keras.Model, strategy: tf.distribute.Strategy, loss: str):
        self._model, self._strategy, self._loss = model, strategy, get_loss(loss)
        # The last batch is of another size, which alone is no reason to trace again.
        self._predict = tf.function(lambda images: model(images, training=False), reduce_retracing=True)
        # Made outside the strategy's scope: variables of this worker alone.
        self._mean = keras.metrics.Mean(name="loss")
        self._data_mean = keras.metrics.Mean(name="data_loss") if model.losses else None
        self._metrics = training_metrics()

    def add(self, loss, mask, predicted) -> None:
        """Count a batch, or this worker's part of it."""
        weight = float(mask.shape[0])
        self._mean.update_state(loss, sample_weight=weight)
        if self._data_mean is not None:
            self._data_mean.update_state(self._loss(mask, predicted), sample_weight=weight)
        for metric in self._metrics:
            metric.update_state(mask, predicted)

    def take(self) -> dict[str, float]:
        """What all workers counted, by name; then counting starts anew."""
        counted = [self._mean, *([self._data_mean] if self._data_mean is not None else []), *self._metrics]
        states = [variable for metric in counted for variable in metric.variables]
        sums = sum_over_workers(self._strategy, [float(variable.value) for variable in states])
        for variable, value in zip(states, sums, strict=True):
            variable.assign(value)
        logs = {metric.name: float(metric.result()) for metric in counted}
        for metric in counted:
            metric.reset_state()
        return logs

    def of(self, batches: Iterable) -> dict[str, float]:
        """Loss and metrics of finite batches, each worker's own part of them."""
        penalty = float(sum(self._model.losses))
        for images, mask in batches:
            # One device predicts, and no more at a time than it has room for when it trains.
            size = max(1, mask.shape[0] // self._strategy.num_replicas_in_sync)
            parts = range(0, mask.shape[0], size)
            predicted = [self._predict({view: x[at : at + size] for view, x in images.items()}) for at in parts]
            predicted = tf.concat(predicted, axis=0)
            self.add(self._loss(mask, predicted) + penalty, mask, predicted)
        return self.take()
