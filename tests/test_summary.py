"""Parameter table and architecture figure of a built network."""

import keras
import pytest
from PIL import Image

from spine_tf.config import PRESETS
from spine_tf.models import build_model
from spine_tf.models.figure import architecture_figure
from spine_tf.models.summary import Part, format_table, parameter_table, part_of, stages


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
        ("linknet_stage1_unit1_conv1", "LinkNet encoder"),
        ("decoder_stage1a_conv", "LinkNet decoder"),
        ("head_conv", "head"),
        ("mask", "head"),
        ("dense_3", "other"),
    ],
)
def test_part_of_an_address(name, part):
    assert part_of(name) == part


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
        "part             layers  parameters",
        "head                  3         435",
        "LinkNet decoder      49     488,768",
        "total                52     489,203",
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


def test_figure_is_written_and_replaced(tiny, tmp_path):
    path = tmp_path / "architecture.png"
    path.write_bytes(b"old")
    architecture_figure(tiny, path)
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert min(image.size) > 1000
        assert len(set(image.convert("RGB").resize((64, 32)).get_flattened_data())) > 20
    assert list(tmp_path.iterdir()) == [path]
