import keras
import numpy as np
import pytest

from spine_tf.config import PRESETS
from spine_tf.models import build_model
from spine_tf.models.float16 import write_half


def test_the_network_comes_back_in_float32_with_weights_rounded_to_float16(tmp_path):
    keras.utils.set_random_seed(0)
    model = build_model(PRESETS["tiny"].model, 32)
    model.save(tmp_path / "whole.keras")
    write_half(tmp_path / "whole.keras", tmp_path / "half.keras")
    again = keras.saving.load_model(tmp_path / "half.keras", compile=False)
    for one, two in zip(model.weights, again.weights, strict=True):
        assert two.dtype == one.dtype
        kept = one.numpy() if one.ndim < 2 else one.numpy().astype(np.float16)
        np.testing.assert_array_equal(two.numpy(), kept)
    sizes = [(tmp_path / f"{name}.keras").stat().st_size for name in ("whole", "half")]
    assert sizes[1] < 0.6 * sizes[0]


def test_the_same_weights_are_the_same_bytes(tmp_path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    model.save(tmp_path / "whole.keras")
    for name in ("one", "two"):
        write_half(tmp_path / "whole.keras", tmp_path / f"{name}.keras")
    assert (tmp_path / "one.keras").read_bytes() == (tmp_path / "two.keras").read_bytes()


def test_a_weight_beyond_float16_is_refused_and_nothing_written(tmp_path):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.set_weights([np.float32([[1e5]]), np.float32([0])])
    model.save(tmp_path / "whole.keras")
    with pytest.raises(ValueError, match=r"weights must fit float16. Received: .* up to 100000"):
        write_half(tmp_path / "whole.keras", tmp_path / "half.keras")
    assert not (tmp_path / "half.keras").exists()
