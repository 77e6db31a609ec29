import keras
import numpy as np
import pytest
import tensorflow as tf

from spine_tf.config import PreprocessSpec
from spine_tf.export.graph_backend import GraphBackend
from spine_tf.inference.volume import VolumeNetwork
from spine_tf.views.backend import NUMPY, NumpyBackend
from spine_tf.views.components import drop_small_components

SHAPES = [(50, 41, 33), (96, 50, 40), (1, 40, 64), (5, 7, 1)]


def _bright(*views):
    """Pixels above the middle of the window are spine, softly."""
    logits = keras.ops.stack([20 * (view[..., 1] - 0.5) for view in views], axis=-1)
    return keras.ops.sigmoid(logits)


def _bright_numpy(*views):
    return keras.ops.convert_to_numpy(_bright(*views))


@pytest.mark.parametrize("density", [0.05, 0.12, 0.4])
def test_components_are_those_of_scipy(density):
    label = tf.function(GraphBackend().components, input_signature=[tf.TensorSpec((None,) * 3, tf.bool)])
    for seed in range(3):
        blocks = np.random.default_rng(seed).random((17, 13, 9)) < density
        ours, scipys = label(blocks).numpy(), NUMPY.components(blocks)
        pairs = set(zip(ours.ravel().tolist(), scipys.ravel().tolist(), strict=True))
        assert len(pairs) == len(np.unique(ours)) == len(np.unique(scipys))
        assert (0, 0) in pairs


def test_a_long_winding_component_is_one():
    # A line that runs to and fro through a plane: its ends are 100 blocks apart along it.
    blocks = np.zeros((19, 11, 1), bool)
    blocks[::2] = True
    blocks[1::4, -1] = blocks[3::4, 0] = True
    assert len(np.unique(GraphBackend().components(tf.constant(blocks)))) == 2


def test_small_components_are_dropped_as_on_numpy():
    mask = np.random.default_rng(3).random((40, 30, 20)) < 0.01
    mask[5:15, 5:15, 5:12] = True
    mask[25:31, 20:26, 10:15] = True
    for share in (0.1, 0.3, 1.0):
        one = drop_small_components(mask, (1.0, 1.5, 3.0), share)
        two = drop_small_components(tf.constant(mask), (1.0, 1.5, 3.0), share, backend=GraphBackend())
        np.testing.assert_array_equal(one, two)
    assert one[5:15, 5:15, 5:12].all()
    assert not one[25:31, 20:26, 10:15].any()


@pytest.mark.parametrize(
    "fields",
    [
        {"normalise": "scan", "max_positions": 0, "smoothing_mm": 0.5},
        {"pixel_mm": 1.0, "coarse_to_fine": True, "smoothing_mm": 0.5},
    ],
    ids=["resized", "coarse-to-fine"],
)
def test_one_volume_logic_on_two_runtimes(fields):
    spec = PreprocessSpec(image_size=32, **fields)

    def whole(hu, spacing_mm):
        return VolumeNetwork(_bright, spec, tuple(tf.unstack(tf.cast(spacing_mm, tf.float64)))).at_scan(
            hu, GraphBackend()
        )

    inputs = [tf.TensorSpec((None,) * 3, tf.int16), tf.TensorSpec((3,), tf.float32)]
    graph = tf.function(whole, input_signature=inputs, autograph=False)
    for seed, shape in enumerate(SHAPES):
        spacing_mm = np.float32([0.7, 1.3, 2.7])
        hu = np.random.default_rng(seed).integers(-1000, 300, shape).astype(np.int16)
        hu[tuple(slice(n // 3, n // 3 + 14) for n in shape)] = 900
        here = VolumeNetwork(_bright_numpy, spec, tuple(float(mm) for mm in spacing_mm)).at_scan(hu, NumpyBackend())
        np.testing.assert_allclose(graph(hu, spacing_mm), here, atol=1e-5)
        assert here.max() > 0.1
