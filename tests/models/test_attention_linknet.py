"""The whole network, tiny: inputs, output, switches, files, precision, and the size of its training graph."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from spine_tf.config import ARCHITECTURES, PRESETS, VIEWS
from spine_tf.models import build_model
from spine_tf.models.attention_linknet import BatchToChannels, ViewsToBatch, build_attention_linknet
from spine_tf.training.losses import get_loss
from spine_tf.training.optimizers import FusedAdamax

TINY = PRESETS["tiny"].model


@pytest.fixture(scope="module")
def tiny() -> keras.Model:
    keras.utils.set_random_seed(0)
    return build_model(TINY, 32)


def triplets(batch: int = 2, side: int = 32) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {view: rng.random((batch, side, side, 3), dtype="float32") for view in VIEWS}


def test_inputs_are_the_views_and_the_output_is_a_mask_for_each(tiny):
    assert [tensor.name for tensor in tiny.inputs] == list(VIEWS)
    assert all(tensor.shape == (None, 32, 32, 3) and tensor.dtype == "float32" for tensor in tiny.inputs)
    assert tiny.output_names == ["mask"]
    mask = tiny(triplets())
    assert mask.shape == (2, 32, 32, 3)
    assert 0 <= np.min(mask) <= np.max(mask) <= 1


def test_flat_graph_of_layers_that_are_called_once(tiny):
    for layer in tiny.layers:
        assert not isinstance(layer, keras.Model | keras.layers.Lambda)
        layer.output  # noqa: B018  raises for a layer that is called twice
    assert len(tiny.operations) == len(tiny.layers)
    assert tiny.get_layer("axial_block2_attention")
    assert tiny.get_layer("decoder_stage1a_conv")


def test_names_do_not_depend_on_what_was_built_before(tiny):
    assert [layer.name for layer in build_model(TINY, 32).layers] == [layer.name for layer in tiny.layers]


def test_saves_and_loads_to_equal_outputs(tiny, tmp_path):
    tiny.save(tmp_path / "tiny.keras")
    again = keras.saving.load_model(tmp_path / "tiny.keras")
    np.testing.assert_array_equal(tiny(triplets()), again(triplets()))


def test_every_view_reaches_every_mask(tiny):
    inputs = {view: tf.constant(value) for view, value in triplets(batch=1).items()}
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(inputs)
        masks = tf.reduce_sum(tiny(inputs), axis=(0, 1, 2))
        outputs = [masks[index] for index in range(3)]
    for output in outputs:
        for gradient in tape.gradient(output, inputs).values():
            assert np.abs(gradient).max() > 0


@pytest.mark.parametrize(
    ("switch", "layer", "shape"),
    [
        ({"attention": "se"}, "axial_block1_attention_squeeze", (1, 1, 8)),
        ({"attention": "none"}, "feature_map", (64, 64, 60)),
        ({"fusion": "add"}, "feature_map", (64, 64, 12)),
        ({"fusion_filters": 2}, "coronal_fusion", (64, 64, 10)),
        ({"fusion_stride": 2}, "feature_map", (32, 32, 60)),
        ({"decoder": "upsampling"}, "decoder_stage4_upsampling", (64, 64, 16)),
        ({"share_branches": True}, "shared_fusion", (64, 64, 20)),
        ({"encoder": "efficientnetlite0"}, "sagittal_block7a_project_bn", (2, 2, 320)),
        ({"linknet_encoder": "resnet34"}, "linknet_stage3_unit6_add", (4, 4, 256)),
    ],
)
def test_every_switch_is_honoured(switch, layer, shape):
    model = build_model(dataclasses.replace(TINY, **switch), 64)
    assert tuple(model.get_layer(layer).output.shape[1:]) == shape
    assert model.output.shape == (None, 64, 64, 3)


@pytest.mark.slow
def test_maps_fused_at_half_resolution_still_end_where_the_slices_do():
    model = build_attention_linknet(64, encoder="efficientnetb0", linknet_encoder="resnet18", fusion_stride=2)
    assert model.get_layer("feature_map").output.shape[1:3] == (32, 32)
    rng = np.random.default_rng(0)
    slices = {view: rng.random((1, 64, 64, 3), dtype="float32") for view in VIEWS}
    head = keras.Model(model.inputs, model.get_layer("head_link").output)
    before = head.predict_on_batch(slices)  # (1, 64, 64, 32): 16 coarse channels, then 16 of the slices
    slices["sagittal"][0, 20, 30, 1] += 1.0
    changed = np.argwhere(np.abs(head.predict_on_batch(slices) - before)[0, ..., 16:].max(-1) > 1e-6)
    assert changed.min(axis=0).tolist() == [19, 29]
    assert changed.max(axis=0).tolist() == [21, 31]


def test_no_attention_leaves_no_attention_layer():
    names = [layer.name for layer in build_model(dataclasses.replace(TINY, attention="none"), 32).layers]
    assert not [name for name in names if "attention" in name]


@pytest.mark.slow
def test_shared_branch_equals_three_branches_of_equal_weights():
    shared = build_model(dataclasses.replace(TINY, share_branches=True), 32)
    separate = build_model(TINY, 32)
    own = {layer.name: layer for layer in shared.layers}
    for layer in separate.layers:
        if layer.weights:
            source = own.get(layer.name) or own["shared_" + layer.name.split("_", 1)[1]]
            layer.set_weights(source.get_weights())
    x = triplets()
    np.testing.assert_allclose(shared.predict(x, verbose=0), separate.predict(x, verbose=0), atol=1e-5)
    assert shared.count_params() < separate.count_params()


def test_views_go_through_the_batch_and_back_in_order(tmp_path):
    inputs = [keras.Input((1, 1, 1), name=view) for view in VIEWS]
    batch = ViewsToBatch()(inputs)
    model = keras.Model(inputs, [batch, BatchToChannels(3)(batch)])
    views = [np.full((2, 1, 1, 1), 10.0 * v, "float32") + np.float32([0, 1]).reshape(2, 1, 1, 1) for v in range(3)]
    model.save(tmp_path / "views.keras")
    for each in (model, keras.saving.load_model(tmp_path / "views.keras")):
        batched, restored = each(views)
        np.testing.assert_array_equal(np.ravel(batched), [0, 10, 20, 1, 11, 21])
        np.testing.assert_array_equal(restored[:, 0, 0], [[0, 10, 20], [1, 11, 21]])


def test_mixed_precision_computes_in_float16_and_answers_in_float32():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = build_model(TINY, 32)
    finally:
        keras.config.set_dtype_policy(policy)
    assert model.get_layer("decoder_stage1a_conv").compute_dtype == "float16"
    assert model.get_layer("decoder_stage1a_conv").kernel.dtype == "float32"
    mask = model(triplets())
    assert mask.dtype == "float32"
    assert np.isfinite(mask).all()


@pytest.mark.slow
def test_training_graph_stays_small():
    # What decides the time to the first step: 10,000 nodes; with Keras' own optimiser and normalisation 30,000.
    model = build_model(TINY, 32)
    model.compile(optimizer=FusedAdamax(), loss=get_loss("bce"), jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    batch = triplets(batch=4), np.zeros((4, 32, 32, 3), "float32")
    step = tf.function(model.train_step, autograph=False)
    before = model.get_layer("head_conv").kernel.numpy()
    assert len(step.get_concrete_function(batch).graph.get_operations()) < 12_000
    assert np.isfinite(step(batch)["loss"])
    assert np.abs(model.get_layer("head_conv").kernel.numpy() - before).max() > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_size": 48}, "image_size must be a multiple of 32"),
        ({"image_size": 32, "fusion_stride": 2}, "image_size must be a multiple of 32 \\* fusion_stride = 64"),
        ({"image_size": 32, "fusion_stride": 3}, "fusion_stride must be 1 or 2"),
        ({"image_size": 32, "fusion": "mean"}, "fusion must be 'concat' or 'add'"),
        ({"image_size": 32, "encoder": "b7"}, "encoder must be one of"),
    ],
)
def test_what_cannot_be_built_is_refused(arguments, message):
    with pytest.raises(ValueError, match=rf"{message}[\s\S]*Received: "):
        build_attention_linknet(**arguments)


def test_what_the_config_lets_it_read_are_its_arguments():
    arguments = set(build_attention_linknet.__code__.co_varnames[: build_attention_linknet.__code__.co_argcount])
    assert arguments == {*ARCHITECTURES["attention_linknet"], "norm_momentum", "image_size", "network"}


@pytest.mark.slow
def test_small_has_twenty_three_million_parameters():
    model = build_model(PRESETS["small"].model, 128)
    assert model.count_params() == 22_771_406
    assert len(model.trainable_variables) == 831


def test_a_seed_sets_the_weights_and_no_two_branches_start_equal():
    """One initializer instance for all layers, seeded at import, would draw the same kernel each time it is asked."""
    kernels = []
    for _ in range(2):
        keras.utils.set_random_seed(7)
        model = build_attention_linknet(32, encoder="tiny", linknet_encoder="resnet18")
        kernels.append([model.get_layer(f"{view}_stem_conv").kernel.numpy() for view in VIEWS])
    for one, two in zip(*kernels, strict=True):
        np.testing.assert_array_equal(one, two)
    axial, coronal, sagittal = kernels[0]
    assert not np.array_equal(axial, coronal)
    assert not np.array_equal(coronal, sagittal)
