"""Draws an attended EfficientNet branch: whole, with what stands inside its modules, and as a strip.

Everything that stands in a box or on a wire is read from the layers of the built network.
"""

import math
import re

import keras
from keras import layers

from spine_tf.experiments.drawings.layers import draw_layers, size_text
from spine_tf.experiments.drawings.network import count_text, stage_lines
from spine_tf.experiments.drawings.page import Box, Page
from spine_tf.models.encoders import ENCODERS, scaled_filters
from spine_tf.models.summary import Stage


def branch_encoder(row: list[Stage]) -> str:
    """Name an encoder by the channels and repetitions of its blocks: "EfficientNetB7"; "EfficientNet" if unknown."""
    blocks = [stage for stage in row if re.fullmatch(r"block\d", stage.name)]
    found = [(stage.shape[-1], stage.repetitions) for stage in blocks]
    squeezed = any("_se_" in layer.name for stage in blocks for layer in stage.layers)
    for name, encoder in ENCODERS.items():
        made = [
            (scaled_filters(block.filters, encoder.width), math.ceil(block.repeats * encoder.depth))
            for block in encoder.blocks
        ]
        if found == made and squeezed == (encoder.squeeze is not None) and name.startswith("efficientnet"):
            return name.replace("efficientnet", "EfficientNet").replace("b", "B").replace("lite", "-Lite")
    return "EfficientNet"


def attention_name(row: list[Stage]) -> str:
    """Name the attention of a branch: "CBAM", "SE" or nothing."""
    names = [layer.name for stage in row if stage.name.endswith("_attention") for layer in stage.layers]
    return "CBAM" if any(name.endswith("_spatial_conv") for name in names) else "SE" if names else ""


def tapped(layer: keras.layers.Layer, prefix: str) -> str:
    """Name the block whose map a projection reads."""
    return layer.name.removeprefix(f"{prefix}_").removesuffix("_projection")


def projections(model: keras.Model, prefix: str) -> list[keras.layers.Layer]:
    """Find the 1x1 convolutions of the maps of one branch that are fused."""
    return [layer for layer in model.layers if layer.name.startswith(f"{prefix}_") and "_projection" in layer.name]


def draw_strip(page: Page, x: float, y: float, row: list[Stage], height: float) -> dict[str, Box]:
    """Draw a branch as a strip of bars from x on: blocks as high as their resolution, attention between them.

    Returns:
        Block -> its last bar: that of the attention behind it, where there is one.
    """
    sides = [stage.shape[0] for stage in row]
    bar = height / (1 + (sides[0] // sides[-1]).bit_length())
    right, bars = x, {}
    for stage, side in zip(row, sides, strict=True):
        attention = stage.name.endswith("_attention")
        width = 0.11 if attention else 0.24
        tall = bar * (1 + (side // sides[-1]).bit_length())
        number = stage.name.removeprefix("block") if re.fullmatch(r"block\d", stage.name) else ""
        kind = "attention" if attention else "EfficientNet block"
        bars[stage.name.removesuffix("_attention")] = page.box(right + width / 2, y, width, tall, kind, [number])
        right += width + 0.05
    return bars


def branch_page(model: keras.Model, row: list[Stage], prefix: str) -> Page:
    """Draw one branch block by block, its fused maps below, and the layers of one attention module and one block."""
    gap, width, thin, tall = 0.11, 1.03, 0.36, 0.8
    attended = [stage for stage in row if stage.name.endswith("_attention")]
    page = Page(0.3 + sum(thin + gap if s in attended else width + gap for s in [*row, row[0]]) + 0.2, 7.95, 9.2)
    y, at, right = 6.3, {}, 0.3
    view = "any view" if prefix == "shared" else prefix
    boxes = [page.box(right + width / 2, y, width, tall, "input", [view, size_text(model.inputs[0].shape[1:])])]
    for stage in row:
        right = boxes[-1].right + gap
        if stage in attended:
            lines = [attention_name(row), count_text(stage.parameters)]
            boxes.append(page.box(right + thin / 2, y, thin, tall, "attention", lines, rotation=90))
        else:
            lines = stage_lines(stage)
            boxes.append(page.box(right + width / 2, y, width, tall, "EfficientNet block", lines))
        page.link(boxes[-2], boxes[-1])
        at[stage.name.removesuffix("_attention")] = boxes[-1]
    _draw_fusion(page, model, prefix, at, y - tall / 2 - 0.75)
    inside = [_inset(attended[-1], attention_name(row))] if attended else []
    inside.append(_inset(row[-1], "Inverted residual", repetition=True))
    for place, (title, kind, chosen) in zip((2.72, 1.18), inside, strict=False):
        draw_layers(page, title, kind, chosen, place)
    total = sum(stage.parameters for stage in row)
    attention = f" with {attention_name(row)} after its first {len(attended)} blocks" if attended else ""
    below = f"{count_text(total)} parameters. Each box: output height × width × channels, and parameters."
    page.heading(f"{branch_encoder(row)}{attention}", below)
    page.legend()
    return page


def _draw_fusion(page: Page, model: keras.Model, prefix: str, at: dict[str, Box], y: float) -> None:
    """Draw the 1x1 convolutions below the maps that they read, and the fused map that they are led to."""
    joined = model.get_layer(f"{prefix}_fusion")
    how = "concatenated" if isinstance(joined, layers.Concatenate) else "added"
    ends = []
    for layer in projections(model, prefix):
        source = at[tapped(layer, prefix)]
        box = page.box(source.x, y, 0.86, 0.62, "fusion", ["1×1", size_text(layer.output.shape[1:])])
        page.wire((source.x, source.bottom), (source.x, box.top))
        page.wire((box.x, box.bottom), (box.x, y - 0.56), head=False)
        ends.append(box.x)
    middle, wide = page.width / 2, 4.5
    page.wire((min(ends), y - 0.56), (max(ends), y - 0.56), head=False)
    page.wire((middle, y - 0.56), (middle, y - 0.82))
    side = joined.output.shape[1]
    lines = [f"resized to {side}×{side} and {how}: {size_text(joined.output.shape[1:])}"]
    page.box(middle, y - 1.0, wide, 0.36, "fusion", lines)


def _inset(stage: Stage, title: str, repetition: bool = False) -> tuple[str, str, list]:
    """Give title, colour and layers of what is shown from inside: a module, or the last repetition of a block."""
    if not repetition:
        number = stage.name.removesuffix("_attention").replace("block", "block ")
        return f"{title} after {number}", "attention", list(stage.layers)
    last = max(re.search(r"_(block\d+[a-z])_", layer.name)[1] for layer in stage.layers)
    chosen = [layer for layer in stage.layers if f"_{last}_" in layer.name]
    return f"{title} {last.removeprefix('block')}, last of {stage.repetitions}", "EfficientNet block", chosen
