import numpy as np

from spine_tf.data.synthesis.depths import interpolate, smooth_depth


def test_a_ball_of_coarse_voxels_becomes_a_smooth_ball():
    spacing = (1.0, 1.0, 2.5)
    x, y, z = np.ogrid[-20:21, -20:21, -8:9]
    inside = np.square(x) + np.square(y) + np.square(2.5 * z) < 12**2
    planes = [np.arange(41), np.arange(41), np.arange(41) / 2.5]
    depth = smooth_depth(inside, spacing, planes, 1.0)
    u, v, w = np.meshgrid(*(np.arange(41) - 20,) * 3, indexing="ij")
    true = 12 - np.sqrt(u**2 + v**2 + w**2)
    near = np.abs(true) < 3
    assert np.abs(depth - true)[near].mean() < 0.5
    assert np.abs(depth - true)[near].max() < 1.6


def test_planes_in_between_are_interpolated_and_the_border_goes_on():
    line = np.float32([0, 10, 20]).reshape(3, 1, 1)
    one = [np.array([0.0]), np.array([0.0])]
    np.testing.assert_allclose(interpolate(line, [np.array([-1, 0.5, 2, 5]), *one]).ravel(), [0, 5, 20, 20])
