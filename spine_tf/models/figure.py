"""The architecture as a picture, drawn from a built network: branches on the left, LinkNet's ladder on the right."""

import re
from pathlib import Path

import keras
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Patch

from spine_tf.files import whole_file
from spine_tf.models.summary import Stage, stages

COLOURS = {
    "input": "#e6e6e6",
    "EfficientNet block": "#cfe2f3",
    "attention": "#fbd5a5",
    "fusion": "#d3ead0",
    "LinkNet encoder": "#dcd3ee",
    "LinkNet decoder": "#c4e7e4",
    "head": "#f6d3d9",
}
INK, WIRE, SKIP = "#1f2933", "#52606d", "#8b5fbf"
PAGE = 19.2, 9.4
"""Width and height of the page; all positions are in inches from its lower left corner."""
BLOCK, ATTENTION, GAP, TALL = 0.92, 0.4, 0.14, 1.0
FUSION_X, MAP_X, ENCODER_X, DECODER_X = 12.6, 14.0, 15.65, 18.1


def _size(shape) -> str:
    return "×".join(str(side) for side in shape)


def _count(parameters: int) -> str:
    for unit, letter in ((1e6, "M"), (1e3, "k")):
        if parameters >= unit:
            return f"{parameters / unit:.3g} {letter}"
    return str(parameters)


class _Page:
    """Boxes, lines and arrows on one page."""

    def __init__(self):
        self.figure = Figure(figsize=PAGE, dpi=120)
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(0, PAGE[0]), ylim=(0, PAGE[1]))
        self.axes.axis("off")

    def text(self, x, y, text, size=8.0, **style):
        self.axes.text(x, y, text, fontsize=size, color=INK, **({"ha": "center", "va": "center"} | style))

    def box(self, x, y, width, height, kind, lines, rotation=0):
        """A box around (x, y); its first line is bold."""
        corner = x - width / 2, y - height / 2
        style = "round,pad=0,rounding_size=0.06"
        self.axes.add_patch(
            FancyBboxPatch(corner, width, height, style, facecolor=COLOURS[kind], edgecolor=INK, lw=0.8)
        )
        for number, line in enumerate(lines):
            offset = 0.19 * ((len(lines) - 1) / 2 - number)
            at = (x - offset, y) if rotation else (x, y + offset)
            self.text(*at, line, weight="normal" if number else "bold", rotation=rotation)

    def wire(self, *points, colour=WIRE, head=True):
        """A line through the points, with an arrow head at its end."""
        xs, ys = zip(*points, strict=True)
        self.axes.plot(xs, ys, color=colour, lw=1.1, solid_joinstyle="round", zorder=0)
        if head:
            arrow = {"arrowstyle": "-|>", "mutation_scale": 9, "color": colour, "lw": 1.1, "shrinkA": 0, "shrinkB": 0}
            self.axes.add_patch(FancyArrowPatch(points[-2], points[-1], **arrow))


def _title(stage: Stage) -> str:
    name = re.sub(r"(?<=[a-z])_?(?=\d)", " ", stage.name)
    return f"{name} (×{stage.repetitions})" if stage.repetitions > 1 else name


def _attention_kind(stage: Stage) -> str:
    return "CBAM" if any(layer.name.endswith("_spatial_conv") for layer in stage.layers) else "SE"


def _draw_branch(page: _Page, y: float, model: keras.Model, prefix: str, row: list[Stage]) -> None:
    """Blocks from left to right; the maps that are fused are tapped from below and led to the fusion box."""
    joined = model.get_layer(f"{prefix}_fusion")
    projections = [layer for layer in model.layers if layer.name.startswith(prefix) and "_projection" in layer.name]
    side, filters = joined.output.shape[1], projections[0].filters
    view = "three views,\none encoder" if prefix == "shared" else prefix
    page.box(0.7, y, 0.95, TALL, "input", [view, _size(model.inputs[0].shape[1:])])
    right, tapped = 0.7 + 0.95 / 2, {}
    for stage in row:
        attention = stage.name.endswith("_attention")
        width = ATTENTION if attention else BLOCK
        x = right + GAP + width / 2
        page.wire((right, y), (x - width / 2, y))
        if attention:
            page.box(x, y, width, TALL, "attention", [_attention_kind(stage), _count(stage.parameters)], rotation=90)
        else:
            lines = [_title(stage), _size(stage.shape), _count(stage.parameters)]
            page.box(x, y, width, TALL, "EfficientNet block", lines)
        tapped[stage.name.removesuffix("_attention")] = x
        right = x + width / 2
    bus = y - TALL / 2 - 0.3
    taps = [tapped[layer.name.removeprefix(f"{prefix}_").removesuffix("_projection")] for layer in projections]
    for x in taps:
        page.wire((x, y - TALL / 2), (x, bus), head=False)
    page.wire((min(taps), bus), (FUSION_X, bus), (FUSION_X, y - TALL / 2))
    note = f"{len(taps)} maps: 1×1 convolution to {filters} channels each, resized to {side}×{side}"
    page.text(min(taps), bus - 0.13, note, 7.5, ha="left", style="italic")
    how = "concatenate" if isinstance(joined, keras.layers.Concatenate) else "add"
    total = sum(layer.count_params() for layer in projections)
    page.box(FUSION_X, y, 1.1, TALL, "fusion", [how, _size(joined.output.shape[1:]), _count(total)])
    page.wire((FUSION_X + 0.55, y), (MAP_X - 0.35, y))


def _skip_source(stage: Stage, encoder: list[Stage]) -> int | None:
    """Index of the encoder stage whose map a decoder stage adds; None for a decoder stage without a skip."""
    made = {id(layer.output) for layer in stage.layers}
    skips = [tensor for layer in stage.layers if layer.name.endswith("_add") for tensor in layer.input]
    shapes = [tuple(tensor.shape) for tensor in skips if id(tensor) not in made]
    for index, other in enumerate(encoder):
        if shapes and any(tuple(layer.output.shape) == shapes[0] for layer in other.layers):
            return index
    return None


def _draw_linknet(page: _Page, parts: dict[str, list[Stage]]) -> None:
    """Encoder downwards, decoder upwards beside it, head on top; skips run between."""
    encoder, decoder, head = parts["LinkNet encoder"], parts["LinkNet decoder"], parts["head"]
    top, bottom, width = 6.15, 1.05, 1.3
    pitch = (top - bottom) / max(1, len(encoder) - 1)
    height = min(0.86, 0.72 * pitch)
    page.wire((MAP_X + 0.35, top), (ENCODER_X - width / 2, top))
    for index, stage in enumerate(encoder):
        y = top - index * pitch
        page.box(
            ENCODER_X,
            y,
            width,
            height,
            "LinkNet encoder",
            [_title(stage), _size(stage.shape), _count(stage.parameters)],
        )
        if index:
            page.wire((ENCODER_X, y + pitch - height / 2), (ENCODER_X, y + height / 2))
    page.wire((ENCODER_X + width / 2, bottom), (DECODER_X, bottom), (DECODER_X, bottom + pitch - height / 2))
    for index, stage in enumerate([*decoder, *head], start=1):
        y = bottom + index * pitch
        if index > 1:
            page.wire((DECODER_X, y - pitch + height / 2), (DECODER_X, y - height / 2))
        source = _skip_source(stage, encoder)
        if source is not None:
            start = top - source * pitch
            page.wire((ENCODER_X + width / 2, start), (DECODER_X - width / 2, y), colour=SKIP)
            page.text((ENCODER_X + DECODER_X) / 2, (start + y) / 2 + 0.12, "+", 10, weight="bold")
        kind = "head" if stage.part == "head" else "LinkNet decoder"
        name = "mask" if kind == "head" else _title(stage)
        page.box(DECODER_X, y, width, height, kind, [name, _size(stage.shape), _count(stage.parameters)])
    page.text(ENCODER_X, top + height / 2 + 0.2, "LinkNet encoder", 9, weight="bold")
    page.text(DECODER_X + width / 2 + 0.12, (top + bottom) / 2, "LinkNet decoder", 9, weight="bold", rotation=90)


def architecture_figure(model: keras.Model, path: str | Path) -> None:
    """Draw a built attention LinkNet as a block diagram; names, shapes and parameter counts are read from its layers.

    Args:
        model: made by `attention_linknet`.
        path: the PNG file to write; an existing one is replaced.
    """
    parts = stages(model)
    branches = [part for part in parts if part.endswith(" branch")]
    page = _Page()
    rows = [7.35, 4.75, 2.15] if len(branches) == 3 else [4.75]
    for y, part in zip(rows, branches, strict=True):
        _draw_branch(page, y, model, part.removesuffix(" branch"), parts[part])
    feature_map = model.get_layer("feature_map").output.shape[1:]
    page.box(MAP_X, 4.75, 0.7, 6.2, "fusion", ["feature map", _size(feature_map)], rotation=90)
    _draw_linknet(page, parts)
    title = f"Attention LinkNet, {len(model.layers)} layers, {model.count_params():,} parameters"
    page.text(0.25, 9.05, title, 14, ha="left", weight="bold")
    page.text(0.25, 8.7, "Each box: output height × width × channels, and parameters.", 9, ha="left")
    legend = [Patch(facecolor=colour, edgecolor=INK, label=kind) for kind, colour in COLOURS.items()]
    page.axes.legend(handles=legend, loc="lower left", bbox_to_anchor=(0.01, 0.02), ncols=len(legend), frameon=False)

    with whole_file(path) as part:
        page.figure.savefig(part)
