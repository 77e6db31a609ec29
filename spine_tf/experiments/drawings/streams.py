"""Draws a HyperDenseNet: a row for each stream, every layer wired to the next one of all streams."""

import keras

from spine_tf.experiments.drawings.layers import size_text
from spine_tf.experiments.drawings.network import count_text
from spine_tf.experiments.drawings.page import SKIP, WIRE, Box, Page
from spine_tf.models.summary import Stage, model_name


def streams_page(model: keras.Model, parts: dict[str, list[Stage]]) -> Page:
    """Draw streams from left to right; a box has the filters of its convolution, not what is laid beside them."""
    page = Page(13.4, 5.6)
    streams = [(part.split()[0], row) for part, row in parts.items() if part.endswith(" stream")]
    columns: list[list[Box]] = []
    for y, (view, row) in zip((3.9, 2.65, 1.4), streams, strict=True):
        shape = size_text(model.get_layer(view).output.shape[1:])
        made = [page.box(0.8, y, 1.05, 0.74, "input", [view, shape])]
        for number, stage in enumerate(row):
            kernel = next(layer for layer in stage.layers if isinstance(layer, keras.layers.Conv2D))
            lines = [f"3×3, {kernel.filters}", count_text(stage.parameters)]
            made.append(page.box(1.95 + 1.08 * number, y, 0.84, 0.6, "encoder", lines, legend="layer of a stream"))
        columns.append(made)
    lines = ["mask", size_text(parts["head"][0].shape), count_text(parts["head"][0].parameters)]
    head = page.box(12.55, 2.65, 1.1, 3.2, "head", lines)
    for made in columns:
        page.link(made[0], made[1])
        for other in columns:
            for source, target in zip(made[1:], other[2:], strict=False):
                same = made is other
                ends = (source.right, source.y), (target.left, target.y)
                page.wire(*ends, colour=WIRE if same else SKIP, head=same)
        page.link(made[-1], head)
    below = "Each box: kernel, filters, parameters. Every layer reads all earlier layers of all streams."
    page.heading(f"{model_name(model)}: {model.count_params():,} parameters", below)
    page.legend()
    return page
