"""Measures how far a mask of probabilities is from the truth: the losses that `TrainConfig.loss` chooses from.

A pixel whose target is negative has no known truth and counts in none of them.
"""

import keras
import tensorflow as tf
from keras import ops


@keras.saving.register_keras_serializable(package="spine_tf")
class KnownBCELoss(keras.losses.Loss):
    """Binary cross-entropy over the pixels whose truth is known.

    Source: paper, "Step 1" of the pruning section.

    Call arguments:
        y_true: (batch, H, W, views), share of spine in [0, 1], or -1 where it is not known.
        y_pred: the same shape, probabilities in [0, 1].

    Returns:
        (batch,) before the reduction: the mean over each sample's pixels, unknown ones counting 0.

    Example:
        >>> truth = ops.reshape(ops.array([1.0, -1.0]), (1, 1, 2, 1))  # (batch, H, W, views)
        >>> f"{float(KnownBCELoss()(truth, ops.full((1, 1, 2, 1), 0.5))):.4f}"  # half of log 2
        '0.3466'
    """

    def __init__(self, name="bce", reduction="sum_over_batch_size", dtype=None):
        super().__init__(name=name, reduction=reduction, dtype=dtype)

    def call(self, y_true, y_pred):
        y_true, y_pred, known = _known(y_true, y_pred)
        return ops.mean(known * ops.binary_crossentropy(y_true, y_pred), axis=(1, 2, 3))


@keras.saving.register_keras_serializable(package="spine_tf")
class BCEDiceLoss(keras.losses.Loss):
    """Binary cross-entropy plus one minus the soft Dice coefficient, averaged over the views.

    The Dice coefficient of a view is taken over all pixels of the batch, those on other devices too. Slices beside the
    spine are empty, and the Dice of one empty slice jumps with every stray pixel; over the batch it does not. With
    `smooth` pixels added above and below, an empty target with an empty prediction is a perfect 1 and the gradient is
    finite everywhere.

    Source: paper, "Step 1" (cross-entropy); Milletari et al., "V-Net", 3DV 2016, for soft Dice.

    Args:
        smooth: pixels added to numerator and denominator of the Dice coefficient.

    Call arguments:
        y_true: (batch, H, W, views), share of spine in [0, 1], or -1 where it is not known.
        y_pred: the same shape, probabilities in [0, 1].

    Returns:
        (batch,) before the reduction: each sample's cross-entropy plus the batch's Dice loss. Sample weights therefore
        scale both, but do not take pixels out of the Dice coefficient.

    Example:
        >>> empty = ops.zeros((1, 2, 2, 3))  # (batch, H, W, views)
        >>> round(float(BCEDiceLoss()(empty, empty)), 4)
        0.0
    """

    def __init__(self, smooth: float = 1.0, name="bce_dice", reduction="sum_over_batch_size", dtype=None):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.smooth = smooth

    def call(self, y_true, y_pred):
        y_true, y_pred, known = _known(y_true, y_pred)
        cross_entropy = ops.mean(known * ops.binary_crossentropy(y_true, y_pred), axis=(1, 2, 3))  # (batch,)
        y_pred = known * y_pred
        intersection = ops.sum(y_true * y_pred, axis=(0, 1, 2))  # (views,)
        total = ops.sum(y_true, axis=(0, 1, 2)) + ops.sum(y_pred, axis=(0, 1, 2))
        context = tf.distribute.get_replica_context()
        if context is not None and context.num_replicas_in_sync > 1:
            intersection, total = context.all_reduce(tf.distribute.ReduceOp.SUM, [intersection, total])
        dice = (2.0 * intersection + self.smooth) / (total + self.smooth)
        return cross_entropy + (1.0 - ops.mean(dice))

    def get_config(self):
        return super().get_config() | {"smooth": self.smooth}


def _known(y_true, y_pred):
    """Targets (0 where unknown), predictions, and 1 for each pixel with a known truth, else 0; all of one dtype."""
    y_true = ops.cast(y_true, y_pred.dtype)
    return ops.maximum(y_true, 0.0), y_pred, ops.cast(y_true >= 0, y_pred.dtype)


def get_loss(name: str) -> keras.losses.Loss:
    """Make the loss that `TrainConfig.loss` names.

    Args:
        name: "bce" (paper, "Step 1") or "bce_dice".

    Raises:
        ValueError: another name.

    Example:
        >>> get_loss("bce_dice").smooth
        1.0
    """
    losses = {"bce": KnownBCELoss, "bce_dice": BCEDiceLoss}
    if name not in losses:
        raise ValueError(f"loss must be one of {sorted(losses)}. Received: loss={name!r}")
    return losses[name]()
