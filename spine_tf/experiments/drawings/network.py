"""Draws an encoder with its decoder: a ladder (LinkNet, U-Net), a pyramid (FPN) or pooled levels (PSPNet).

Boxes and wires are the stages and links of the built network (`summary`); only their places are laid down here. A box
stands as high as its resolution: from row to row it halves.
"""

import math
import re

from keras import layers

from spine_tf.experiments.drawings.layers import draw_inside, size_text
from spine_tf.experiments.drawings.page import SKIP, WIRE, Box, Page
from spine_tf.models.summary import Stage

TITLES = (
    (r"fpn_stage_p(\d)", r"P\1"),
    (r"segm_stage(\d)", r"P\1, {} × conv"),
    (r"psp_level(\d)", r"pooled, \1×\1"),
    (r"psp_concat", "concatenate"),
    (r"aggregation", "concatenate"),
    (r"final", "conv, resized"),
    (r"(?<=[a-z])(\d)", r" \1"),
)
RESNETS = {
    18: (2, 2, 2, 2, 2),
    34: (2, 3, 4, 6, 3),
    50: (3, 3, 4, 6, 3),
    101: (3, 3, 4, 23, 3),
    152: (3, 3, 8, 36, 3),
}
"""Depth -> convolutions of a unit, units of the four stages (He et al., CVPR 2016, Table 1)."""
WIDTH = 1.22
"""Of a box, in inches."""
GAP = 0.75
"""Between columns."""


def count_text(parameters: int) -> str:
    """Format a number of parameters: "1.98 k", "21.3 M"; nothing for none.

    Example:
        >>> count_text(21_314_000)
        '21.3 M'
    """
    for unit, letter in ((1e6, "M"), (1e3, "k")):
        if parameters >= unit:
            return f"{parameters / unit:.3g} {letter}"
    return str(parameters or "")


def stage_lines(stage: Stage) -> list[str]:
    """Give the lines of a stage's box: name and repetitions, shape of the map, parameters."""
    name = stage.name
    for pattern, words in TITLES:
        if re.search(pattern, name):
            name = re.sub(pattern, words, name)
            break
    convolutions = [layer for layer in stage.layers if isinstance(layer, layers.Conv2D)]
    if stage.name == "aggregation" and convolutions:
        name = f"{size_text(convolutions[0].kernel_size)} conv"
    name = name.format(len(convolutions))
    title = f"{name} (×{stage.repetitions})" if stage.repetitions else name
    return [line for line in (title, size_text(stage.shape), count_text(stage.parameters)) if line]


def encoder_name(row: list[Stage]) -> str:
    """Name an encoder by the units of its stages and the convolutions of one: "ResNet152"; else "encoder"."""
    convolutions = {layer.name for stage in row for layer in stage.layers if re.search(r"_unit1_conv\d$", layer.name)}
    units = tuple(stage.repetitions for stage in row if re.fullmatch(r"stage\d", stage.name))
    if not units:
        return "encoder"
    each = len(convolutions) / len(units)
    found = [f"ResNet{depth}" for depth, known in RESNETS.items() if known[: 1 + len(units)] == (each, *units)]
    return " or ".join(found) or "ResNet"


def joined_by(stage: Stage) -> str:
    """Say how a stage takes a skip in: "+" or "concat"; nothing if it does neither."""
    kinds = {layers.Add: "+", layers.Concatenate: "concat"}
    return next((word for kind, word in kinds.items() for layer in stage.layers if isinstance(layer, kind)), "")


def draw_network(
    page: Page,
    parts: dict[str, list[Stage]],
    pairs: list[tuple[Stage, Stage]],
    source: Box,
    *,
    left: float,
    top: float,
    pitch: float,
) -> Box:
    """Draw encoder, decoder and head to the right of `left`.

    Args:
        parts, pairs: of `summary.stages` and `summary.links`.
        source: the box whose map the encoder reads.
        top: height of full resolution in inches; each halving of it is `pitch` lower.

    Returns:
        The box of the head.
    """
    encoder, decoder = _ladder(parts)
    head = parts["head"][0]
    places = _places(encoder, decoder, head)
    height = min(0.74, 0.8 * pitch)
    boxes: dict[tuple[str, str], Box] = {}
    for stage in [*encoder, *decoder, head]:
        column, row, span = places[stage.part, stage.name]
        x, y = left + WIDTH / 2 + column * (WIDTH + GAP), top - row * pitch
        tall = height + (span - 1) * pitch
        kind = "head" if stage is head else stage.part.split()[-1]
        lines = ["mask", *stage_lines(stage)[1:]] if stage is head else stage_lines(stage)
        turned = 90 if span > 1 else 0
        boxes[stage.part, stage.name] = page.box(
            x, y, 0.62 if turned else WIDTH, tall, kind, lines, rotation=turned, legend=_legend(kind, stage, encoder)
        )
    first = boxes[encoder[0].part, encoder[0].name]
    page.link(source, first, bend="elbow")
    _wire_up(page, pairs, boxes, encoder[-1])
    mask = boxes[head.part, head.name]
    if any(source.part == "inputs" and target.part == "head" for source, target in pairs):
        page.wire((mask.x, mask.top + 0.3), (mask.x, mask.top), colour=SKIP)
        page.text(mask.x, mask.top + 0.4, "slices")
    return mask


def _legend(kind: str, stage: Stage, encoder: list[Stage]) -> str:
    if kind == "encoder":
        name = encoder_name(encoder)
        return stage.part if name == "encoder" else f"{stage.part} ({name})"
    return stage.part if kind == "decoder" else ""


def _wire_up(page: Page, pairs, boxes, last: Stage) -> None:
    for source, target in pairs:
        if (source.part, source.name) not in boxes or (target.part, target.name) not in boxes:
            continue
        across = source.part.endswith("encoder") and target.part.endswith("decoder")
        skip = across and source[:2] != last[:2]
        ends = boxes[source.part, source.name], boxes[target.part, target.name]
        label = joined_by(target) if skip else ""
        bend = "bus" if target.name.startswith("psp_") else "elbow"
        page.link(*ends, colour=SKIP if skip else WIRE, label=label, bend=bend)


def _places(encoder: list[Stage], decoder: list[Stage], head: Stage) -> dict[tuple[str, str], tuple[float, float, int]]:
    """Place each stage: column, row, and over how many rows its box stands."""
    names = {stage.name for stage in decoder}
    full = head.shape[0] if not names & {"psp_concat"} else encoder[0].layers[0].output.shape[1]

    def row(stage: Stage) -> float:
        return math.log2(full / stage.shape[0])

    if "psp_concat" in names:
        return _pooled(encoder, decoder, head, row)
    places = {stage[:2]: (0, row(stage), 1) for stage in encoder}
    if "aggregation" in names:
        return places | _pyramid(decoder, head, row)
    places |= {stage[:2]: (1, row(stage), 1) for stage in decoder}
    return places | {head[:2]: (2.15, 0, 1)}


def _pyramid(decoder: list[Stage], head: Stage, row) -> dict:
    """Place a pyramid, its segmentation blocks beside it in the same rows, and what joins them over all rows."""
    levels = {stage.name[-1]: row(stage) for stage in decoder if stage.name.startswith("fpn_stage")}
    middle, span = (min(levels.values()) + max(levels.values())) / 2, len(levels)
    places = {}
    for stage in decoder:
        if stage.name.startswith("fpn_stage"):
            places[stage[:2]] = (1, levels[stage.name[-1]], 1)
        elif stage.name.startswith("segm_stage"):
            places[stage[:2]] = (2, levels[stage.name[-1]], 1)
        elif stage.name == "aggregation":
            places[stage[:2]] = (2.85, middle, span)
        else:
            places[stage[:2]] = (3.7, middle, 1)
    return places | {head[:2]: (3.7, middle - 1.5, 1)}


def _pooled(encoder: list[Stage], decoder: list[Stage], head: Stage, row) -> dict:
    """Place the last map's pooled levels above and below its own row, and what joins them over all rows."""
    places = {stage[:2]: (0, row(stage), 1) for stage in encoder}
    middle = row(encoder[-1])
    levels = [stage for stage in decoder if stage.name.startswith("psp_level")]
    half = len(levels) // 2
    for number, stage in enumerate(levels):
        places[stage[:2]] = (1, middle + number - half + (number >= half), 1)
    others = {"psp_concat": (1.85, middle, len(levels) + 1), "aggregation": (2.7, middle, 1)}
    places |= {stage[:2]: others[stage.name] for stage in decoder if stage.name in others}
    return places | {head[:2]: (3.7, middle, 1)}


def network_size(parts: dict[str, list[Stage]]) -> tuple[float, float]:
    """Measure what `draw_network` draws: its width in inches, and how many halvings of the resolution it is high."""
    places = _places(*_ladder(parts), parts["head"][0]).values()
    return max(place[0] for place in places) * (WIDTH + GAP) + WIDTH, max(
        row + (span - 1) / 2 for _, row, span in places
    )


def _ladder(parts: dict[str, list[Stage]]) -> list[list[Stage]]:
    """Pick the stages of the encoder, and of the decoder."""
    return [next(row for part, row in parts.items() if part.endswith(end)) for end in (" encoder", " decoder")]


def network_page(parts: dict[str, list[Stage]], pairs: list[tuple[Stage, Stage]], heading: str) -> Page:
    """Draw a network without branches on a page of its own; arguments as of `draw_network`."""
    encoder, decoder = _ladder(parts)
    across, down = network_size(parts)
    pitch, left, height = 0.98, 0.3, 2.72 + 0.98 * down
    page = Page(max(across + 0.6, 7.8), height)
    top = height - 1.4
    inputs, first = parts["inputs"][0], encoder[0].layers[0]
    single = "views_to_batch" in {layer.name for layer in inputs.layers}
    lines = ["slice of a view" if single else "three slices", size_text(first.input.shape[1:])]
    if first.name.endswith("_frame"):
        lines.append(f"padded to {first.output.shape[1]}²")
    box = page.box(left + WIDTH / 2, top, WIDTH, 0.74, "input", lines)
    draw_network(page, parts, pairs, box, left=left, top=top, pitch=pitch)
    shown = next((stage for stage in decoder if stage.name == "stage2"), None)
    if shown:
        x = left + 2.15 * (WIDTH + GAP) + WIDTH / 2
        title = f"inside {stage_lines(shown)[0]}"
        draw_inside(page, title, "decoder", list(shown.layers), x, top - 1.55 * pitch, pitch)
    below = "Each box: output height × width × channels, and parameters."
    page.heading(heading, below + (" Slices of the three views pass one by one." if single else ""))
    page.legend()
    return page
