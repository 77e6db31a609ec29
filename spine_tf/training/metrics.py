"""Counts the overlap of predicted and true masks while training: Dice coefficient and Jaccard index.

Both count pixels over everything seen since the last reset (an epoch) and divide once at the end, so that the value
does not depend on the batch size and empty slices need no rule of their own.
"""

import keras
from keras import ops


class _Overlap(keras.metrics.Metric):
    """Pixel counts since the last reset; float64, because float32 stops counting at 2**24."""

    def __init__(self, threshold: float = 0.5, name=None, dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.threshold = threshold
        self.intersection = self.add_weight(name="intersection", initializer="zeros", dtype="float64")
        self.total = self.add_weight(name="total", initializer="zeros", dtype="float64")

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Count a batch.

        Args:
            y_true: (batch, H, W, views), share of spine in [0, 1]; a negative one is not known and left out.
            y_pred: the same shape, probabilities; positive from `threshold` on.
            sample_weight: None, (batch,) or the shape of y_true; how much each pixel counts.
        """
        y_pred = ops.convert_to_tensor(y_pred)
        y_true = ops.convert_to_tensor(y_true)
        predicted = ops.cast(ops.logical_and(y_pred >= self.threshold, y_true >= 0), "float32")
        true = ops.cast(y_true > 0.5, "float32")
        weight = 1.0
        if sample_weight is not None:
            weight = ops.cast(sample_weight, "float32")
            weight = ops.reshape(weight, (*weight.shape, *[1] * (len(y_pred.shape) - len(weight.shape))))
        self.intersection.assign_add(ops.cast(ops.sum(weight * true * predicted), "float64"))
        self.total.assign_add(ops.cast(ops.sum(weight * (true + predicted)), "float64"))

    def get_config(self):
        return super().get_config() | {"threshold": self.threshold}


def _ratio(numerator, denominator):
    """Their quotient as float32, and 1 where there is nothing to divide: no mask, none predicted."""
    empty = ops.equal(denominator, 0.0)
    return ops.cast(ops.where(empty, 1.0, numerator / ops.where(empty, 1.0, denominator)), "float32")


@keras.saving.register_keras_serializable(package="spine_tf")
class DiceCoefficient(_Overlap):
    """2 |A and B| / (|A| + |B|) over all pixels and views since the last reset; 1 if both masks are empty.

    Source: paper, "Evaluation metrics". In [0, 1].

    Args:
        threshold: probability from which a pixel is positive.

    Example:
        >>> metric = DiceCoefficient()
        >>> metric.update_state([[[[1.0], [1.0]]]], [[[[0.9], [0.1]]]])  # (batch, H, W, views)
        >>> round(float(metric.result()), 4)
        0.6667
    """

    def __init__(self, threshold: float = 0.5, name="dice", dtype=None):
        super().__init__(threshold, name, dtype)

    def result(self):
        return _ratio(2.0 * self.intersection.value, self.total.value)


@keras.saving.register_keras_serializable(package="spine_tf")
class JaccardIndex(_Overlap):
    """|A and B| / |A or B| over all pixels and views since the last reset; 1 if both masks are empty.

    Source: paper, "Evaluation metrics". In [0, 1].

    Args:
        threshold: probability from which a pixel is positive.

    Example:
        >>> metric = JaccardIndex()
        >>> metric.update_state([[[[1.0], [1.0]]]], [[[[0.9], [0.1]]]])  # (batch, H, W, views)
        >>> float(metric.result())
        0.5
    """

    def __init__(self, threshold: float = 0.5, name="jaccard", dtype=None):
        super().__init__(threshold, name, dtype)

    def result(self):
        return _ratio(self.intersection.value, self.total.value - self.intersection.value)


def training_metrics() -> list[keras.metrics.Metric]:
    """Make what a training logs beside its loss: Dice and Jaccard at 0.5, counted over an epoch.

    Example:
        >>> [metric.name for metric in training_metrics()]
        ['dice', 'jaccard']
    """
    return [DiceCoefficient(name="dice"), JaccardIndex(name="jaccard")]
