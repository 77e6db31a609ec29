import csv

import numpy as np
import pytest
from PIL import Image

from spine_tf.pruning.groups import Count
from spine_tf.pruning.kept_filters import COLUMNS, KEPT, REMOVED, chart_columns, layer_rows, plot_kept, write_layers

COUNTS = [
    Count("shared_stem_conv", 8, 8, 6),
    Count("shared_block1_projection", 2, 2, 0),
    Count("decoder_stage0c_conv", 4, 4, 0),
    Count("head_conv", 3, 0, 0),
]


def many(count: int) -> list[dict]:
    names = ["shared_block{}_conv", "linknet_stage{}_conv", "decoder_stage{}_conv"]
    return layer_rows(Count(names[3 * n // count].format(n), 10, 10, n % 10) for n in range(count))


def test_rows_say_where_a_layer_is_and_what_it_keeps(tmp_path):
    write_layers(tmp_path / "layers.csv", layer_rows(COUNTS))
    lines = list(csv.reader((tmp_path / "layers.csv").open()))
    assert lines == [
        ["part", "layer", "filters", "prunable", "kept"],
        ["shared branch", "shared_stem_conv", "8", "8", "2"],
        ["fusion", "shared_block1_projection", "2", "2", "2"],
        ["LinkNet decoder", "decoder_stage0c_conv", "4", "4", "4"],
        ["head", "head_conv", "3", "0", "3"],
    ]


def test_a_part_is_named_after_its_network(tmp_path):
    counts = [Count("shared_stem_conv", 8, 8, 0), Count("decoder_stage0a_conv", 4, 4, 0)]
    assert [row["part"] for row in layer_rows(counts)] == ["U-Net encoder", "U-Net decoder"]


def test_few_layers_are_one_column_under_headings():
    (column,) = chart_columns(layer_rows(COUNTS))
    assert [line.text for line in column] == [
        "shared branch: 2 / 8",
        "stem_conv",
        "fusion: 2 / 2",
        "shared_block1_projection",
        "LinkNet decoder: 4 / 4",
        "decoder_stage0c_conv",
        "head: 3 / 3",
        "head_conv",
    ]


@pytest.mark.parametrize("count", [49, 50, 150, 151, 158, 900])
def test_every_layer_once_in_columns_of_like_length(count):
    rows = many(count)
    columns = chart_columns(rows)
    assert [line.layer for column in columns for line in column if line.layer] == rows
    assert all(column[0].layer is None and column[-1].layer for column in columns)
    assert len(columns) <= COLUMNS
    assert max(map(len, columns)) <= max(55, count / COLUMNS + 5)


def test_the_chart_shows_the_share_that_is_kept(tmp_path):
    plot_kept(tmp_path / "kept.png", layer_rows([Count("shared_stem_conv", 100, 100, 75)]), "a title")
    with Image.open(tmp_path / "kept.png") as image:
        pixels = np.asarray(image.convert("RGB"))
    bar = pixels[: pixels.shape[0] * 2 // 3]  # the legend below has the same colours
    kept, removed = (
        np.all(bar == [int(colour[i : i + 2], 16) for i in (1, 3, 5)], axis=-1).sum() for colour in (KEPT, REMOVED)
    )
    assert kept / (kept + removed) == pytest.approx(0.25, abs=0.02)


def test_a_large_network_fits_one_picture(tmp_path):
    plot_kept(tmp_path / "kept.png", many(160))
    with Image.open(tmp_path / "kept.png") as image:
        assert max(image.size) < 3000
