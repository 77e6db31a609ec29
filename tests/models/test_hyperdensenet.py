"""HyperDenseNet: what each layer reads, counted by hand; how far it sees; files, training, pruning, a volume."""

import json

import keras
import numpy as np
import pytest

from spine_tf.config import VIEWS, ModelConfig, PreprocessSpec, to_dict
from spine_tf.inference.engines import load_engine
from spine_tf.inference.volume import segment_volume
from spine_tf.models import build_model
from spine_tf.models.hyperdensenet import FILTERS, build_hyperdensenet, scaled
from spine_tf.pruning.surgery import remove_filters
from spine_tf.pruning.zeroing import zero_filters
from spine_tf.scans import volume_from_array
from tests.support.scans import shaken

READ = [3, 75, 150, 225, 375, 525, 675, 900, 1125]
"""Channels that the layers of a stream read: a slice, then three streams' 25, 50, 75, 125, 175, 225, 300, 375."""


@pytest.fixture(scope="module")
def original() -> keras.Model:
    return build_hyperdensenet(32)


@pytest.fixture(scope="module")
def narrow() -> keras.Model:
    """A twentieth of the original's filters: 1, 1, 1, 2, 2, 2, 4, 4, 4 a stream."""
    keras.utils.set_random_seed(0)
    return build_model(ModelConfig(architecture="hyperdensenet", stream_width=0.05), 32)


def triplets(batch: int = 1) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {view: rng.random((batch, 32, 32, 3), dtype="float32") for view in VIEWS}


def test_every_layer_reads_all_earlier_layers_of_all_streams(original):
    for view in VIEWS:
        kernels = [original.get_layer(f"{view}_layer{number}_conv").kernel for number in range(1, 10)]
        assert [tuple(kernel.shape) for kernel in kernels] == [(3, 3, n, m) for n, m in zip(READ, FILTERS, strict=True)]
    assert original.get_layer("head_streams").output.shape == (None, 32, 32, 3 * 3 * 450)
    assert [original.get_layer(f"head_layer{n}_conv").filters for n in (1, 2, 3)] == [400, 200, 150]


def test_parameters_counted_by_hand(original):
    streams = 3 * 9 * sum(n * m for n, m in zip(READ, FILTERS, strict=True))
    head = 4050 * 400 + 400 * 200 + 200 * 150 + 150 * 3
    # Normalisation has four and rectification one for every channel that is read; the last layer is not rectified.
    each_channel = 5 * (3 * sum(READ) + 4050 + 400 + 200) + 4 * 150
    assert streams + head == 7_140_150 + 1_730_450
    assert original.count_params() == streams + head + each_channel + 3 == 8_955_248


def test_each_stream_has_them_in_an_order_of_its_own(narrow):
    def read(name):
        return [tensor._keras_history.operation.name for tensor in narrow.get_layer(name).input]

    assert read("axial_layer1_all") == ["axial_layer1_conv", "coronal_layer1_conv", "sagittal_layer1_conv"]
    assert read("coronal_layer1_all") == ["coronal_layer1_conv", "axial_layer1_conv", "sagittal_layer1_conv"]
    assert read("sagittal_layer2_all") == [
        "sagittal_layer1_all",
        "sagittal_layer2_conv",
        "axial_layer2_conv",
        "coronal_layer2_conv",
    ]


def test_width_scales_every_layer_and_leaves_one_filter():
    assert scaled(FILTERS, 0.2) == (5, 5, 5, 10, 10, 10, 15, 15, 15)
    assert scaled(FILTERS, 0.001) == (1,) * 9


def test_every_view_reaches_every_mask_nineteen_pixels_wide(narrow):
    views = triplets()
    before = narrow.predict_on_batch(views)
    for view in VIEWS:
        changed = {name: slices.copy() for name, slices in views.items()}
        changed[view][0, 16, 15] += 1.0
        difference = np.abs(narrow.predict_on_batch(changed) - before)[0]
        for mask in range(3):
            rows, columns = np.nonzero(difference[..., mask] > 0)
            assert (rows.min(), rows.max()) == (16 - 9, 16 + 9)
            assert (columns.min(), columns.max()) == (15 - 9, 15 + 9)


def test_half_of_its_filters_can_be_removed():
    keras.utils.set_random_seed(0)
    model = shaken(build_hyperdensenet(32, stream_width=0.16), np.random.default_rng(0))
    pruned = zero_filters(model, 0.5, criterion="random")
    assert pruned.structure.whole == {"head_conv": "is an output of the model"}
    assert pruned.amount == pytest.approx(0.5, abs=0.02)
    smaller = remove_filters(model)
    np.testing.assert_allclose(smaller(triplets()), model(triplets()), atol=1e-5)
    # The kernels of most layers have half of their filters and half of the channels that they read.
    assert smaller.count_params() < 0.35 * model.count_params()


def test_trains_saves_loads_and_segments_a_volume(narrow, tmp_path):
    narrow.compile("sgd", "binary_crossentropy", jit_compile=False)
    before = [np.asarray(weight) for weight in narrow.trainable_variables]
    narrow.train_on_batch(triplets(2), np.zeros((2, 32, 32, 3), "float32"))
    after = narrow.trainable_variables
    assert all(np.abs(old - np.asarray(new)).max() > 0 for old, new in zip(before, after, strict=True))
    narrow.save(tmp_path / "best.keras")
    again = keras.saving.load_model(tmp_path / "best.keras", safe_mode=True)
    np.testing.assert_array_equal(again(triplets()), narrow(triplets()))
    spec = PreprocessSpec(image_size=32, body_box=False)
    (tmp_path / "metadata.json").write_text(json.dumps({"preprocess": to_dict(spec)}))
    hu = np.random.default_rng(0).integers(-500, 1500, (9, 12, 10)).astype(np.int16)
    result = segment_volume(volume_from_array(hu, np.eye(4)), load_engine(tmp_path, batch_size=4), batch_size=4)
    assert result.mask.shape == (9, 12, 10)
    assert 0 < result.probability.min() <= result.probability.max() < 1
