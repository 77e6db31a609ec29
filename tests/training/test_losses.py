"""Losses: values worked out by hand, empty masks, gradients, files."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from spine_tf.training.losses import BCEDiceLoss, KnownBCELoss, get_loss


def masks(*pixels: float) -> np.ndarray:
    """One sample, one row of pixels, one view."""
    return np.float32(pixels).reshape(1, 1, -1, 1)


def test_bce_dice_by_hand():
    # Cross-entropy log 2; Dice (2 * 0.5 + 1) / (1 + 1 + 1) = 2/3.
    loss = BCEDiceLoss()(masks(1, 0), masks(0.5, 0.5))
    np.testing.assert_allclose(loss, np.log(2) + 1 / 3, rtol=1e-6)


def test_dice_is_taken_over_the_batch_and_averaged_over_the_views():
    y_true = np.zeros((2, 1, 2, 2), "float32")
    y_true[0, 0, :, 0] = 1  # first view: full in the first sample, absent in the second; second view: absent
    y_pred = np.full_like(y_true, 0.5)
    # First view: (2 * 1 + 1) / (2 + 2 + 1) = 3/5; second view: (0 + 1) / (0 + 2 + 1) = 1/3.
    np.testing.assert_allclose(BCEDiceLoss()(y_true, y_pred), np.log(2) + 1 - (3 / 5 + 1 / 3) / 2, rtol=1e-6)


def test_empty_masks_are_perfect_and_have_finite_gradients():
    y_pred = tf.Variable(masks(0, 0))
    with tf.GradientTape() as tape:
        loss = BCEDiceLoss()(masks(0, 0), y_pred)
    np.testing.assert_allclose(loss, 0.0, atol=1e-6)
    assert np.isfinite(tape.gradient(loss, y_pred)).all()


def test_sample_weights_scale_a_sample():
    y_true, y_pred = np.zeros((2, 1, 2, 1), "float32"), np.full((2, 1, 2, 1), 0.5, "float32")
    loss = BCEDiceLoss(reduction="none")
    plain, weighted = loss(y_true, y_pred), loss(y_true, y_pred, sample_weight=np.float32([1, 0]))
    assert plain.shape == (2,)
    np.testing.assert_allclose(weighted, plain * [1, 0])


def test_names():
    assert isinstance(get_loss("bce"), KnownBCELoss)
    assert isinstance(get_loss("bce_dice"), BCEDiceLoss)
    with pytest.raises(ValueError, match=r"loss must be one of .*Received: loss='focal'"):
        get_loss("focal")


@pytest.mark.parametrize("name", ["bce", "bce_dice"])
def test_serialises(name):
    loss = get_loss(name)
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    np.testing.assert_array_equal(loss(masks(1, 0), masks(0.9, 0.2)), again(masks(1, 0), masks(0.9, 0.2)))


def test_smoothing_survives_serialisation():
    assert keras.losses.deserialize(keras.losses.serialize(BCEDiceLoss(smooth=7.0))).smooth == 7.0


def test_bce_is_that_of_keras_where_all_is_known():
    y_true, y_pred = np.random.default_rng(0).random((2, 2, 4, 4, 3)).astype("float32")
    wanted = keras.losses.BinaryCrossentropy()(y_true, y_pred)
    np.testing.assert_allclose(get_loss("bce")(y_true, y_pred), wanted, rtol=1e-5)


@pytest.mark.parametrize(("name", "expected"), [("bce", np.log(2) / 2), ("bce_dice", np.log(2) / 2 + 1 - 2 / 2.5)])
def test_unknown_pixels_count_in_no_loss(name, expected):
    # One known pixel of two: cross-entropy log 2 over two pixels; Dice (2 * 0.5 + 1) / (1 + 0.5 + 1).
    y_pred = tf.Variable(masks(0.5, 0.9))
    with tf.GradientTape() as tape:
        loss = get_loss(name)(masks(1, -1), y_pred)
    np.testing.assert_allclose(loss, expected, rtol=1e-6)
    gradient = tape.gradient(loss, y_pred).numpy().ravel()
    assert gradient[0] != 0
    assert gradient[1] == 0
