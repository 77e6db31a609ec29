"""Scores against gradients worked out by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from spine_tf.models.layers import FusedBatchNormalization
from spine_tf.pruning.sensitivity import (
    CRITERIA,
    get_criterion,
    gradient_sensitivity,
    random_scores,
    taylor_importance,
    weight_magnitude,
)


@pytest.fixture
def two_filters() -> keras.Model:
    """y = 3 * f0 + 5 * f1 with f0 = 2a + b, f1 = a - 4b of a pixel's two channels (a, b); the loss is y itself."""
    x = keras.Input((1, 1, 2))
    model = keras.Model(x, layers.Conv2D(1, 1, use_bias=False, name="head")(layers.Conv2D(2, 1, name="f")(x)))
    model.get_layer("f").set_weights([np.float32([[2, 1], [1, -4]]).reshape(1, 1, 2, 2), np.float32([7, 7])])
    model.get_layer("head").set_weights([np.float32([3, 5]).reshape(1, 1, 2, 1)])
    model.compile(loss=lambda y_true, y_pred: tf.reduce_mean(y_true * y_pred, axis=(1, 2, 3)), optimizer="sgd")
    return model


# Batches of one pixel each: (a, b) = (1, 2) with weight 1, then (3, 0) with weight -1.
PIXELS = np.float32([[1, 2], [3, 0]]).reshape(2, 1, 1, 1, 2)
TRUTH = np.float32([1, -1]).reshape(2, 1, 1, 1, 1)
CALIBRATION = list(zip(PIXELS, TRUTH, strict=True))


def test_gradient_sensitivity_by_hand(two_filters):
    scores = gradient_sensitivity(two_filters, CALIBRATION)
    # dL/dw of f0 is 3 * (a, b) * truth: (3, 6) and (-9, 0). Absolute, mean over weights: 4.5 and 4.5.
    # dL/dw of f1 is 5 * (a, b) * truth: (5, 10) and (-15, 0): 7.5 and 7.5.
    np.testing.assert_allclose(scores["f"], [4.5, 7.5])
    # dL/dw of the head is (f0, f1) * truth: (11, 0) and (-13, -10); one filter, with two weights: 5.5 and 11.5.
    np.testing.assert_allclose(scores["head"], [8.5])


def test_taylor_by_hand(two_filters):
    # |w dL/dw| of f0: (2 * 3, 1 * 6) and (2 * 9, 0): 6 and 9; of f1: (5, 40) and (15, 0): 22.5 and 7.5.
    np.testing.assert_allclose(taylor_importance(two_filters, CALIBRATION)["f"], [7.5, 15])


def test_magnitude_by_hand(two_filters):
    np.testing.assert_allclose(weight_magnitude(two_filters)["f"], [1.5, 2.5])


def test_random_scores_repeat_with_their_seed(two_filters):
    one, same, other = (random_scores(two_filters, seed=seed)["f"] for seed in (1, 1, 2))
    assert one.shape == (2,)
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_a_dataset_is_read_as_fit_reads_it(two_filters):
    dataset = tf.data.Dataset.from_tensor_slices((PIXELS, TRUTH))
    np.testing.assert_allclose(gradient_sensitivity(two_filters, dataset)["f"], [4.5, 7.5])
    doubled = [(x, y, np.float32([2.0])) for x, y in CALIBRATION]
    np.testing.assert_allclose(gradient_sensitivity(two_filters, doubled)["f"], [9, 15])


def test_transposed_and_depthwise_kernels_count_filters_on_their_own_axes():
    x = keras.Input((2, 2, 2))
    y = layers.Conv2DTranspose(3, 1, name="t")(layers.DepthwiseConv2D(1, depth_multiplier=2, name="d")(x))
    model = keras.Model(x, y)
    d, t = np.float32([[1, 2], [3, 4]]), np.float32(np.arange(12).reshape(3, 4))
    model.get_layer("d").set_weights([d.reshape(1, 1, 2, 2), np.zeros(4, "float32")])
    model.get_layer("t").set_weights([t.reshape(1, 1, 3, 4), np.zeros(3, "float32")])
    scores = weight_magnitude(model)
    np.testing.assert_allclose(scores["d"], [1, 2, 3, 4])
    np.testing.assert_allclose(scores["t"], [1.5, 5.5, 9.5])


def test_normalisation_is_in_inference_mode_and_keeps_its_statistics():
    x = keras.Input((1, 1, 1))
    y = layers.BatchNormalization(epsilon=0.0, name="norm")(layers.Conv2D(1, 1, use_bias=False, name="f")(x))
    model = keras.Model(x, layers.Dropout(0.9)(y))
    model.get_layer("f").set_weights([np.ones((1, 1, 1, 1), "float32")])
    model.get_layer("norm").set_weights([np.float32([1]), np.float32([0]), np.float32([0]), np.float32([4])])
    model.compile(loss=lambda y_true, y_pred: tf.reduce_mean(y_pred, axis=(1, 2, 3)), optimizer="sgd")
    ones = np.ones((2, 1, 1, 1), "float32")
    # In training mode a batch of equal values would have the variance 0 and no gradient at all; here it is 1 / sqrt(4).
    np.testing.assert_allclose(gradient_sensitivity(model, [(ones, ones)])["f"], [0.5])
    np.testing.assert_array_equal(np.ravel(model.get_layer("norm").get_weights()), [1, 0, 0, 4])


def test_normalisation_is_scored_by_plain_operations():
    """The fused kernel has no deterministic gradient in inference mode on a GPU."""
    seen = []

    class Watched(FusedBatchNormalization):
        def call(self, inputs, training=None, mask=None):
            outputs = super().call(inputs, training=training, mask=mask)
            if not tf.executing_eagerly() and isinstance(outputs, tf.Tensor):
                seen.append({op.type for op in outputs.graph.get_operations()})
            return outputs

    x = keras.Input((1, 1, 1))
    y = Watched(epsilon=0.0, name="norm")(layers.Conv2D(1, 1, use_bias=False, name="f")(x))
    model = keras.Model(x, y)
    model.get_layer("f").set_weights([np.ones((1, 1, 1, 1), "float32")])
    model.get_layer("norm").set_weights([np.float32([1]), np.float32([0]), np.float32([0]), np.float32([4])])
    model.compile(loss=lambda y_true, y_pred: tf.reduce_mean(y_pred, axis=(1, 2, 3)), optimizer="sgd")
    ones = np.ones((2, 1, 1, 1), "float32")
    seen.clear()
    np.testing.assert_allclose(gradient_sensitivity(model, [(ones, ones)])["f"], [0.5])
    assert seen
    assert not any("FusedBatchNorm" in name for types in seen for name in types)


def test_frozen_layers_are_scored_too(two_filters):
    two_filters.get_layer("f").trainable = False
    np.testing.assert_allclose(gradient_sensitivity(two_filters, CALIBRATION)["f"], [4.5, 7.5])


def test_float16_gradients_are_scaled_out_of_the_dust():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        x = keras.Input((1, 1, 1))
        model = keras.Model(x, layers.Conv2D(1, 1, use_bias=False, name="f")(x))
        # 1e-8 is zero in float16; `compile` wraps the optimizer with a scale of 2 ** 15.
        model.compile(loss=lambda y_true, y_pred: tf.reduce_sum(1e-8 * tf.cast(y_pred, "float32")), optimizer="sgd")
    finally:
        keras.config.set_dtype_policy(policy)
    ones = np.ones((1, 1, 1, 1), "float32")
    np.testing.assert_allclose(gradient_sensitivity(model, [(ones, ones)])["f"], [1e-8], rtol=1e-2)


def test_what_cannot_be_scored_is_refused(two_filters):
    with pytest.raises(ValueError, match=r"calibration must hold at least one batch.*Received: "):
        gradient_sensitivity(two_filters, [])
    with pytest.raises(ValueError, match=r"calibration must be finite.*Received: "):
        gradient_sensitivity(two_filters, tf.data.Dataset.from_tensor_slices((PIXELS, TRUTH)).repeat())
    with pytest.raises(ValueError, match=r"calibration must be batches.*Received: None"):
        gradient_sensitivity(two_filters, None)
    with pytest.raises(ValueError, match=r"model must be compiled.*Received: "):
        gradient_sensitivity(
            keras.models.clone_model(keras.Model(two_filters.inputs, two_filters.outputs)), CALIBRATION
        )
    with pytest.raises(ValueError, match=r"criterion must be one of.*Received: criterion='grad'"):
        get_criterion("grad")


def test_criteria_by_name():
    assert set(CRITERIA) == {"gradient", "taylor", "magnitude", "random"}
    assert get_criterion("gradient") is gradient_sensitivity
    assert get_criterion(random_scores) is random_scores
