"""LinkNet laid flat: the outputs of segmentation-models under stable names."""

import keras
import numpy as np
import pytest

from spine_tf.models.layers import FusedBatchNormalization
from spine_tf.models.linknet import load_segmentation_models, replay, stable_names, zoo_network


def build(encoder="resnet18", decoder="transpose", side=32, channels=5) -> keras.Model:
    x = keras.Input((side, side, channels))
    return keras.Model(x, zoo_network(x, "linknet", encoder, decoder, masks=3, prefix="linknet"))


def test_outputs_are_those_of_segmentation_models():
    reference = load_segmentation_models().Linknet(
        "resnet18", (32, 32, 5), 3, "linear", encoder_weights=None, decoder_block_type="transpose"
    )
    model = build()
    model.set_weights(reference.get_weights())
    x = np.random.default_rng(0).random((2, 32, 32, 5), dtype="float32")
    np.testing.assert_allclose(model(x), reference(x), rtol=1e-4, atol=1e-5)


def test_names_are_addresses_and_do_not_depend_on_what_was_built_before():
    first, second = build(), build()
    names = [layer.name for layer in first.layers[1:]]
    assert names == [layer.name for layer in second.layers[1:]]
    assert {"linknet_stage1_unit1_conv1", "linknet_stage4_unit2_add", "decoder_stage1a_conv", "head_conv"} <= set(names)
    assert all(name.startswith(("linknet_", "decoder_", "head_")) for name in names)


def test_batch_normalisation_is_fused_and_the_graph_is_flat():
    model = build()
    assert not [layer for layer in model.layers if isinstance(layer, keras.Model)]
    assert {type(layer) for layer in model.layers if "bn" in layer.name and "pad" not in layer.name} == {
        FusedBatchNormalization
    }


@pytest.mark.parametrize(
    ("decoder", "layer"), [("transpose", "decoder_stage0b_transpose"), ("upsampling", "decoder_stage0_upsampling")]
)
def test_decoder_switch(decoder, layer):
    model = build(decoder=decoder)
    assert model.get_layer(layer)
    assert model.output.shape == (None, 32, 32, 3)


@pytest.mark.parametrize("encoder", ["resnet50", "mobilenetv2"])
@pytest.mark.filterwarnings("ignore:This model usually expects")
def test_other_encoders(encoder):
    assert build(encoder).output.shape == (None, 32, 32, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"encoder": "resnet19"}, "linknet_encoder must be one of"),
        ({"decoder": "nearest"}, "decoder must be"),
        ({"side": 48}, "multiples of 32"),
        ({"encoder": "resnext50"}, "linknet_encoder must be one of"),
    ],
)
def test_what_cannot_be_built_is_refused(arguments, message):
    with pytest.raises(ValueError, match=rf"{message}[\s\S]*Received: "):
        build(**arguments)


def test_a_layer_that_no_safe_loader_reads_is_refused():
    x = keras.Input((4, 4, 1))
    model = keras.Model(x, keras.layers.Lambda(lambda y: y + 1, name="plus_one")(x))
    with pytest.raises(ValueError, match=r"Keras' own layers and no Lambda.*Received: 'plus_one'"):
        replay(model, keras.Input((4, 4, 1)), stable_names(model, "net"))


def test_replay_and_names_on_a_hand_made_graph():
    x = keras.Input((4, 4, 1))
    a = keras.layers.Conv2D(1, 1, name="stage1_unit1_conv")(x)
    y = keras.layers.Add()([keras.layers.ZeroPadding2D(0)(a), a])
    model = keras.Model(x, y)
    names = stable_names(model, "net")
    assert list(names.values())[1:] == ["net_stage1_unit1_conv", "net_stage1_unit1_pad", "net_stage1_unit1_add"]
    inputs = keras.Input((4, 4, 1))
    copy = keras.Model(inputs, replay(model, inputs, names))
    copy.set_weights([np.full((1, 1, 1, 1), 3.0), np.zeros(1)])
    np.testing.assert_array_equal(copy(np.ones((1, 4, 4, 1), "float32")), np.full((1, 4, 4, 1), 6.0))
