"""Parts, stages and parameter table of a built network."""

from itertools import pairwise

import keras
import pytest

from spine_tf.config import PRESETS
from spine_tf.models import BUILDERS, build_model
from spine_tf.models.summary import (
    Part,
    format_table,
    links,
    model_name,
    network_name,
    parameter_table,
    part_of,
    parts_of,
    stages,
)

SMALL = {"encoder": "resnet18"}
BRANCHED = {"encoder": "tiny", "linknet_encoder": "resnet18"}


@pytest.fixture(scope="module")
def tiny() -> keras.Model:
    return build_model(PRESETS["tiny"].model, 32)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("axial", "inputs"),
        ("coronal_block2a_expand_conv", "coronal branch"),
        ("sagittal_block2_attention_spatial_conv", "sagittal branch"),
        ("shared_stem_conv", "shared branch"),
        ("axial_block7_projection", "fusion"),
        ("axial_block7_resize", "fusion"),
        ("sagittal_fusion", "fusion"),
        ("feature_map", "fusion"),
        ("views_to_batch", "fusion"),
        ("linknet_stage1_unit1_conv1", "LinkNet encoder"),
        ("decoder_stage1a_conv", "LinkNet decoder"),
        ("axial_layer3_conv", "axial stream"),
        ("head_conv", "head"),
        ("mask", "head"),
        ("dense_3", "other"),
    ],
)
def test_part_of_an_address(name, part):
    assert part_of(name) == part


def test_the_same_address_in_other_networks():
    assert part_of("decoder_stage1a_transpose", "U-Net") == "U-Net decoder"
    assert part_of("unet_stage1_unit1_conv1", "U-Net") == "U-Net encoder"
    assert part_of("shared_stem_conv", "FPN", branches=False) == "FPN encoder"
    assert part_of("views_to_batch", "FPN", branches=False) == "inputs"
    # A PSPNet resizes its logits, an FPN its features.
    assert part_of("decoder_final_upsampling", "PSPNet") == "head"
    assert part_of("decoder_final_upsampling", "FPN") == "FPN decoder"


def test_networks_by_the_layers_that_only_they_have():
    assert network_name(["decoder_stage0a_conv", "decoder_stage0c_conv"]) == "LinkNet"
    assert network_name(["decoder_stage0a_conv", "decoder_stage0b_conv"]) == "U-Net"
    assert network_name(["dense"]) == "network"
    found = parts_of(["decoder_psp_level1_conv", "decoder_aggregation_conv"])
    assert list(found.values()) == ["PSPNet decoder"] * 2


@pytest.mark.parametrize(
    ("architecture", "fields", "name", "parts"),
    [
        ("linknet", SMALL, "LinkNet", ["LinkNet encoder", "LinkNet decoder"]),
        ("linknet", SMALL | {"decoder": "upsampling"}, "LinkNet", ["LinkNet encoder", "LinkNet decoder"]),
        ("fpn", {"encoder": "mobilenetv2"}, "FPN", ["FPN encoder", "FPN decoder"]),
        ("pspnet", SMALL, "PSPNet", ["PSPNet encoder", "PSPNet decoder"]),
        ("unet", SMALL, "U-Net", ["U-Net encoder", "U-Net decoder"]),
        ("unet", SMALL | {"decoder": "upsampling"}, "U-Net", ["U-Net encoder", "U-Net decoder"]),
        ("stacked_linknet", {"linknet_encoder": "resnet18"}, "stacked LinkNet", ["fusion", "LinkNet encoder"]),
        ("attention_unet", BRANCHED, "Attention U-Net", ["axial branch", "U-Net encoder", "U-Net decoder"]),
        ("attention_fpn", BRANCHED | {"share_branches": True}, "Attention FPN", ["shared branch", "FPN encoder"]),
        ("hyperdensenet", {"stream_width": 0.1}, "HyperDenseNet", ["axial stream", "sagittal stream"]),
    ],
)
def test_every_architecture_is_called_what_it_is(architecture, fields, name, parts):
    model = BUILDERS[architecture](32, **fields)
    rows = parameter_table(model)
    found = [row.part for row in rows]
    assert model_name(model) == name
    assert set(parts) <= set(found)
    assert "other" not in found
    assert sum(row.parameters for row in rows) == model.count_params()
    others = {"LinkNet", "FPN", "PSPNet", "U-Net"} - set(name.split())
    assert not [part for part in found if part.split()[0] in others]


def test_table_counts_every_layer_and_parameter_once(tiny):
    rows = parameter_table(tiny)
    assert sum(row.layers for row in rows) == len(tiny.layers)
    assert sum(row.parameters for row in rows) == tiny.count_params()
    table = {row.part: row for row in rows}
    assert table["inputs"] == Part("inputs", 3, 0)
    # A 3x3 convolution of 16 channels to 3 masks, with bias.
    assert table["head"].parameters == 3 * 3 * 16 * 3 + 3
    # Per view 1x1 convolutions to 4 channels with bias, of maps with 8, 8, 16, 16 and 24 channels.
    assert table["fusion"].parameters == 3 * (4 * (8 + 8 + 16 + 16 + 24) + 5 * 4)
    assert table["axial branch"] == table["coronal branch"]._replace(part="axial branch")
    assert "other" not in table


def test_table_as_text():
    text = format_table([Part("head", 3, 435), Part("LinkNet decoder", 49, 488768)])
    assert text.splitlines() == [
        "part               layers    parameters",
        "---------------  --------  ------------",
        "head                    3           435",
        "LinkNet decoder        49       488,768",
        "total                  52       489,203",
    ]


def test_stages_are_blocks_with_their_shapes(tiny):
    parts = stages(tiny)
    blocks = {stage.name: stage for stage in parts["axial branch"]}
    assert list(blocks)[:4] == ["stem", "block1", "block1_attention", "block2"]
    assert "block4_attention" in blocks
    assert "block5_attention" not in blocks
    assert blocks["block7"].shape == (1, 1, 24)
    assert blocks["block7"].repetitions == 1
    encoder = {stage.name: stage for stage in parts["LinkNet encoder"]}
    assert list(encoder) == ["stem", "stage1", "stage2", "stage3", "stage4"]
    assert encoder["stem"].shape == (16, 16, 64)
    assert encoder["stage4"].repetitions == 2
    assert sum(stage.parameters for row in parts.values() for stage in row) == tiny.count_params()


def test_links_of_a_linknet_are_its_ladder():
    found = [
        (a.part.split()[-1], a.name, b.part.split()[-1], b.name) for a, b in links(BUILDERS["linknet"](32, **SMALL))
    ]
    down = ["stem", "stage1", "stage2", "stage3", "stage4"]
    up = ["stage0", "stage1", "stage2", "stage3", "stage4"]
    wanted = [("inputs", "inputs", "encoder", "stem"), ("encoder", "stage4", "decoder", "stage0")]
    wanted += [("encoder", a, "encoder", b) for a, b in pairwise(down)]
    wanted += [("decoder", a, "decoder", b) for a, b in pairwise(up)]
    # The skips: stage 3 into the decoder's first stage, and so on up to the stem.
    wanted += [("encoder", a, "decoder", b) for a, b in zip(["stage3", "stage2", "stage1", "stem"], up, strict=False)]
    wanted += [("decoder", "stage4", "head", "head")]
    assert sorted(found) == sorted(wanted)


def test_an_encoder_that_is_no_resnet_is_cut_by_resolution():
    parts = stages(BUILDERS["fpn"](64, encoder="efficientnetb0"))
    assert [stage.name for stage in parts["FPN encoder"]] == [f"stride{2**n}" for n in range(6)]
    assert [stage.shape[0] for stage in parts["FPN encoder"]] == [64, 32, 16, 8, 4, 2]


def test_a_pspnet_stops_at_stride_8_of_its_padded_map():
    parts = stages(BUILDERS["pspnet"](64, encoder="resnet34"))
    assert [(stage.name, stage.shape[0]) for stage in parts["PSPNet encoder"]] == [
        ("stem", 48),
        ("stage1", 24),
        ("stage2", 12),
    ]
    assert [stage.name for stage in parts["PSPNet decoder"]] == [
        *(f"psp_level{level}" for level in (1, 2, 3, 6)),
        "psp_concat",
        "aggregation",
    ]
