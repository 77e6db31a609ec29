"""The block table against keras.applications, and the addresses of its layers."""

import keras
import numpy as np
import pytest

from spine_tf.models.encoders import ENCODERS, copy_weights, encode, layer_weights, scaled_filters

MEAN, VARIANCE = [0.485, 0.456, 0.406], [0.229**2, 0.224**2, 0.225**2]


def encoder(name: str, side: int, attention: str = "none") -> keras.Model:
    inputs = keras.Input((side, side, 3))
    return keras.Model(inputs, encode(inputs, name, attention, "axial"))


@pytest.fixture
def float64():
    """In double precision only a difference in the network itself is left."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_dtype_policy(policy)


def assert_equal_to_keras(name: str, reference: keras.Model, side: int) -> None:
    """Random weights and statistics, copied over; the last block's map must be the same."""
    rng = np.random.default_rng(0)
    for layer in reference.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.8, 1.2, w.shape) for w in layer.get_weights()])
        if isinstance(layer, keras.layers.Normalization):
            # ImageNet's values: our branch has them built in, Keras stores them with its ImageNet weights.
            layer.set_weights([np.array(MEAN), np.array(VARIANCE), np.array(0)])
            layer.finalize_state()
    model = encoder(name, side)
    copied = copy_weights(layer_weights(reference), model, "axial")
    assert copied == sum(bool(layer.weights) for layer in model.layers)
    last_block = keras.Model(reference.input, reference.get_layer("top_conv").input)
    pixels = rng.random((2, side, side, 3))
    expected, got = last_block(255 * pixels), model(pixels)[-1]
    assert np.std(expected) > 0
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6 * np.std(expected))


@pytest.mark.usefixtures("float64")
def test_b0_gives_the_outputs_of_keras_applications():
    reference = keras.applications.EfficientNetB0(include_top=False, weights=None, input_shape=(64, 64, 3))
    assert_equal_to_keras("efficientnetb0", reference, 64)


@pytest.mark.slow
@pytest.mark.usefixtures("float64")
def test_b7_gives_the_outputs_of_keras_applications():
    reference = keras.applications.EfficientNetB7(include_top=False, weights=None, input_shape=(64, 64, 3))
    assert_equal_to_keras("efficientnetb7", reference, 64)


@pytest.mark.parametrize(
    ("filters", "width", "expected"), [(32, 1.0, 32), (32, 1.1, 32), (40, 1.4, 56), (320, 2.0, 640)]
)
def test_scaled_filters_are_multiples_of_eight(filters, width, expected):
    assert scaled_filters(filters, width) == expected


def test_five_maps_at_their_strides():
    shapes = [tuple(output.shape[1:]) for output in encoder("efficientnetb0", 64).outputs]
    assert shapes == [(32, 32, 16), (16, 16, 24), (8, 8, 40), (4, 4, 80), (2, 2, 320)]


def test_lite_has_no_squeeze_and_bounded_activations():
    model = encoder("efficientnetlite0", 32)
    assert not [layer.name for layer in model.layers if "_se_" in layer.name]
    assert {layer.activation.__name__ for layer in model.layers if isinstance(layer, keras.layers.Activation)} == {
        "relu6"
    }
    # Its pixels are (x - 127) / 128, x in [0, 255].
    scaled = model.get_layer("axial_scaling")(
        np.float32([0.0, 127 / 255, 1.0])[:, None, None, None] * np.ones((1, 1, 1, 3))
    )
    np.testing.assert_allclose(scaled[:, 0, 0, 0], [-127 / 128, 0.0, 1.0], atol=1e-6)


def test_attention_stands_in_line_after_each_of_the_first_four_blocks():
    model = encoder("tiny", 32, "cbam")
    names = {layer.name for layer in model.layers}
    assert [n for n in range(1, 8) if f"axial_block{n}_attention" in names] == [1, 2, 3, 4]
    assert model.get_layer("axial_block2a_expand_conv").input is model.get_layer("axial_block1_attention").output
    assert model.outputs[1] is model.get_layer("axial_block2_attention").output
    assert model.outputs[4] is model.get_layer("axial_block7a_add").output


def test_drop_connect_grows_with_depth_and_only_acts_in_training():
    model = encoder("efficientnetb0", 32)
    rates = [layer.rate for layer in model.layers if layer.name.endswith("_drop")]
    assert rates == sorted(rates)
    assert 0 < rates[0] < rates[-1] < 0.2
    x = np.full((1, 32, 32, 3), 0.5, "float32")
    np.testing.assert_array_equal(model(x, training=False)[-1], model(x, training=False)[-1])


def test_every_row_has_seven_blocks_and_stride_32():
    for row in ENCODERS.values():
        assert len(row.blocks) == 7
        assert 2 * np.prod([block.stride for block in row.blocks]) == 32


@pytest.mark.parametrize(("name", "attention", "argument"), [("b9", "cbam", "encoder"), ("tiny", "nl", "attention")])
def test_unknown_names_are_refused(name, attention, argument):
    with pytest.raises(ValueError, match=rf"{argument} must be one of .*Received: {argument}="):
        encoder(name, 32, attention)


def test_copying_into_an_absent_branch_is_refused():
    model = encoder("tiny", 32)
    with pytest.raises(ValueError, match="prefix must name a branch"):
        copy_weights(layer_weights(model), model, "oblique")
