"""Draws what stands inside a module or a stage; words, shapes and wires are those of the built layers."""

from keras import layers

from spine_tf.experiments.drawings.page import SKIP, WIRE, Box, Page
from spine_tf.models.attention import ChannelPool, GlobalMaximum
from spine_tf.models.layers import Excite

UNBOXED = (layers.BatchNormalization, layers.Activation, layers.Dropout, layers.Rescaling, layers.Reshape)
"""Layers without a box of their own: they are part of the box of the layer before."""
WORDS = {
    layers.GlobalAveragePooling2D: "mean over\npixels",
    **dict.fromkeys((layers.GlobalMaxPooling2D, GlobalMaximum), "maximum\nover pixels"),
    layers.AveragePooling2D: "mean of\nthe two",
    layers.Concatenate: "concatenate",
    **dict.fromkeys((layers.Multiply, Excite), "×"),
    layers.Add: "+",
    ChannelPool: "mean, max.\nof channels",
}
TURN = 0.1
"""How far left of the first boxes the wire runs that brings the map from outside."""


def size_text(shape) -> str:
    """Format a shape: "128×128×64".

    Example:
        >>> size_text((8, 8, 3))
        '8×8×3'
    """
    return "×".join(str(side) for side in shape)


def draw_layers(page: Page, title: str, kind: str, chosen: list, y: float) -> None:
    """Draw layers from left to right by their distance from the first, wired as they are; `UNBOXED` ones stay inside.

    Wires below bring the map that the module reads; wires above carry maps past the layers between.

    Args:
        kind: of the boxes, a key of `page.COLOURS`.
        chosen: layers in the order of the graph; what they read of other layers is one map.
        y: middle of the boxes.
    """
    groups, column = _boxed(chosen)
    left, pitch = 0.42, (page.width - 0.62) / (max(column.values()) + 1)
    boxes: dict[str, Box] = {}
    for head, members in groups.items():
        same = [other for other in groups if column[other] == column[head]]
        height, shift = (0.8, 0) if len(same) == 1 else (0.4, 0.23 * (1 - 2 * same.index(head)))
        x, words = left + (column[head] + 0.5) * pitch, _words(members, compact=len(same) > 1)
        width = min(pitch - 0.2, 1.16)
        boxes[head] = page.box(x, y + shift, width, height, kind, [*words, _shape(members)], bold=len(words))
    page.text(0.3, y + 0.78, title, 10.5, ha="left", weight="bold")
    owner = {id(layer.output): head for head, members in groups.items() for layer in members}
    for head, members in groups.items():
        target = boxes[head]
        for source in {owner.get(id(tensor)): None for tensor in _read(members[0])}:
            if source is None:
                _from_outside(page, left - TURN, y, target, first=column[head] == 0)
            elif column[head] - column[source] == 1:
                page.link(boxes[source], target)
            else:
                start, over = boxes[source], y + 0.56
                corners = [(start.x, over), (target.x, over)]
                page.wire((start.x, start.top), *corners, (target.x, target.top), colour=SKIP)


def _from_outside(page: Page, x: float, y: float, target: Box, first: bool) -> None:
    if first:
        page.wire((x, target.y), (target.left, target.y))
        page.wire((x - 0.2, y), (x, y), (x, target.y), head=False)
    else:
        under = y - 0.56
        page.wire((x, y), (x, under), (target.x, under), (target.x, target.bottom), colour=SKIP)


def draw_inside(page: Page, title: str, kind: str, chosen: list, x: float, y: float, pitch: float) -> None:
    """Draw layers from bottom to top, as a decoder runs: the last one at y, `pitch` inches between them."""
    groups, _ = _boxed(chosen)
    boxes = []
    for number, members in enumerate(reversed(groups.values())):
        words = _words(members, compact=False)
        boxes.append(page.box(x, y - number * pitch, 1.3, 0.7, kind, [*words, _shape(members)], bold=len(words)))
        if number:
            page.link(boxes[-1], boxes[-2])
        if len(_read(members[0])) > 1:
            page.wire((x - 1.05, boxes[-1].y), (boxes[-1].left, boxes[-1].y), colour=SKIP)
    page.wire((x, boxes[-1].bottom - 0.28), (x, boxes[-1].bottom), colour=WIRE)
    page.text(x, y + 0.56, title, 10, weight="bold")


def _read(layer) -> list:
    return layer.input if isinstance(layer.input, list) else [layer.input]


def _boxed(chosen: list) -> tuple[dict[str, list], dict[str, int]]:
    """Group layers: first layer of a box -> its layers, and its column: how many boxes lie before it."""
    groups: dict[str, list] = {}
    column: dict[str, int] = {}
    owner: dict[int, str] = {}
    for layer in chosen:
        sources = [owner[id(tensor)] for tensor in _read(layer) if id(tensor) in owner]
        if isinstance(layer, UNBOXED) and len(sources) == 1:
            groups[sources[0]].append(layer)
            owner[id(layer.output)] = sources[0]
            continue
        groups[layer.name], owner[id(layer.output)] = [layer], layer.name
        column[layer.name] = 1 + max((column[source] for source in sources), default=-1)
    return groups, column


def _shape(members: list) -> str:
    return size_text(members[-1].output.shape[1:])


def _words(members: list, compact: bool) -> list[str]:
    """Say in lines what the first layer does and, where there is one, the activation behind it."""
    first = members[0]
    kernel = size_text(getattr(first, "kernel_size", ()))
    if isinstance(first, layers.DepthwiseConv2D):
        words = f"{kernel} depthwise"
    elif isinstance(first, layers.Conv2DTranspose):
        words = f"{kernel} transposed"
    elif isinstance(first, layers.Conv2D):
        words = f"{kernel} conv"
    else:
        words = WORDS.get(type(first), first.name)
    if compact:
        return [words.split("\n")[0].removesuffix(" over")]
    active = [layer.activation.__name__ for layer in members if hasattr(layer, "activation")]
    return [*words.split("\n"), *({"silu": "swish"}.get(name, name) for name in active if name != "linear")]
