"""Overlap metrics: counts a reader can check by eye."""

import keras
import numpy as np
import pytest

from spine_tf.training.metrics import DiceCoefficient, JaccardIndex


def masks(*pixels: float) -> np.ndarray:
    """One sample, one row of pixels, one view."""
    return np.float32(pixels).reshape(1, 1, -1, 1)


@pytest.mark.parametrize(("kind", "expected"), [(DiceCoefficient, 2 / 3), (JaccardIndex, 1 / 2)])
def test_one_hit_one_false_alarm(kind, expected):
    metric = kind()
    metric.update_state(masks(1, 0, 0), masks(0.5, 0.9, 0.49))
    np.testing.assert_allclose(metric.result(), expected)


@pytest.mark.parametrize(("kind", "expected"), [(DiceCoefficient, 2 * 1 / (1 + 3)), (JaccardIndex, 1 / 3)])
def test_pixels_are_counted_over_all_batches_and_divided_once(kind, expected):
    metric = kind()
    metric.update_state(masks(1, 0), masks(1, 0))  # alone: 1
    metric.update_state(masks(0, 0), masks(1, 1))  # alone: 0
    np.testing.assert_allclose(metric.result(), expected)
    metric.reset_state()
    metric.update_state(masks(1, 0), masks(1, 0))
    np.testing.assert_allclose(metric.result(), 1.0)


@pytest.mark.parametrize("kind", [DiceCoefficient, JaccardIndex])
def test_both_empty_is_one_and_one_empty_is_zero(kind):
    metric = kind()
    np.testing.assert_allclose(metric.result(), 1.0)
    metric.update_state(masks(0, 0), masks(0, 0))
    np.testing.assert_allclose(metric.result(), 1.0)
    metric.update_state(masks(1, 0), masks(0, 0))
    np.testing.assert_allclose(metric.result(), 0.0)


@pytest.mark.parametrize("weight", [np.float32([1, 0]), np.float32([1, 0]).reshape(2, 1, 1, 1)])
def test_sample_weights_take_pixels_out(weight):
    metric = DiceCoefficient()
    y_true = np.concatenate([masks(1, 1), masks(1, 1)])
    y_pred = np.concatenate([masks(1, 0), masks(0, 0)])
    metric.update_state(y_true, y_pred, sample_weight=weight)
    np.testing.assert_allclose(metric.result(), 2 / 3)


def test_counts_past_what_float32_holds():
    metric = DiceCoefficient()
    metric.intersection.assign(2.0**24)
    metric.total.assign(2.0**25)
    metric.update_state(masks(1), masks(1))
    assert float(metric.intersection.numpy()) == 2**24 + 1


@pytest.mark.parametrize("kind", [DiceCoefficient, JaccardIndex])
def test_serialises_with_its_threshold(kind):
    again = keras.metrics.deserialize(keras.metrics.serialize(kind(threshold=0.3, name="overlap")))
    assert (type(again), again.threshold, again.name) == (kind, 0.3, "overlap")


@pytest.mark.parametrize("kind", [DiceCoefficient, JaccardIndex])
def test_unknown_pixels_are_left_out(kind):
    metric = kind()
    metric.update_state(masks(1, -1, -1), masks(0.9, 0.9, 0.1))
    assert float(metric.result()) == 1.0
