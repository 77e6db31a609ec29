"""Smooth noise and smoothing, by their mean, strength and sum."""

import numpy as np
import pytest

from spine_tf.data.synthesis.phantom.shapes import Frame
from spine_tf.data.synthesis.phantom.smoothing import blur, smooth_noise

FRAME = Frame((41, 41, 41), (1.0, 1.0, 1.0), (-20.0, -20.0, -20.0))


def test_noise_is_of_unit_strength_and_smooth():
    noise = smooth_noise(np.random.default_rng(0), FRAME, 5.0)
    assert noise.dtype == np.float32
    assert abs(noise.mean()) < 0.2
    assert noise.std() == pytest.approx(1, abs=0.15)
    assert np.abs(np.diff(noise, axis=0)).mean() < 0.4


def test_blur_keeps_the_sum_and_leaves_coarse_axes_alone():
    peak = np.zeros((21, 21, 21), np.float32)
    peak[10, 10, 10] = 1
    soft = blur(peak, 1.0, (1.0, 1.0, 20.0))
    assert soft.sum() == pytest.approx(1, abs=1e-4)
    assert not soft[:, :, 9].any()
