"""Draws architectures from built networks: names, shapes and parameters are read from their layers.

Figures 1 to 4 of the paper are `architecture_figure` of LinkNet-34, FPN, PSPNet and U-Net, Figure 5 is `branch_figure`
and Figure 6 `architecture_figure` of the proposed network.
"""

from collections.abc import Iterable
from pathlib import Path

import keras

from spine_tf.experiments.drawings.branch import (
    attention_name,
    branch_encoder,
    branch_page,
    draw_strip,
    projections,
    tapped,
)
from spine_tf.experiments.drawings.layers import size_text
from spine_tf.experiments.drawings.network import (
    WIDTH,
    count_text,
    draw_network,
    encoder_name,
    network_page,
    network_size,
)
from spine_tf.experiments.drawings.page import Box, Page
from spine_tf.experiments.drawings.streams import streams_page
from spine_tf.models.summary import Stage, links, model_name, stages

BRANCHES = " branch"


def architecture_figure(model: keras.Model, paths: str | Path | Iterable[str | Path]) -> None:
    """Draw a built network as a block diagram.

    Args:
        model: made by `build_model`, any architecture; pruned or not.
        paths: the file to write, or several: PNG or SVG by their endings; existing ones are replaced.

    Raises:
        ValueError: another ending.

    Example:
        >>> from spine_tf.config import ModelConfig
        >>> from spine_tf.models import build_model
        >>> model = build_model(ModelConfig(architecture="hyperdensenet"), 32)
        >>> architecture_figure(model, "network.png")
        >>> Path("network.png").read_bytes()[1:4]
        b'PNG'
    """
    parts = stages(model)
    branches = [part for part in parts if part.endswith(BRANCHES)]
    if branches:
        page = _proposed_page(model, parts, branches)
    elif any(part.endswith(" stream") for part in parts):
        page = streams_page(model, parts)
    else:
        page = network_page(parts, links(model), _title(model, parts))
    _save(page, paths)


def branch_figure(model: keras.Model, paths: str | Path | Iterable[str | Path]) -> None:
    """Draw the first attended branch of a built network alone, with one of its modules from inside.

    Args:
        model: a network with branches.
        paths: as of `architecture_figure`.

    Raises:
        ValueError: a network without branches, or another ending.
    """
    parts = stages(model)
    branch = next((part for part in parts if part.endswith(BRANCHES)), None)
    if branch is None:
        raise ValueError(f"model must have attended branches. Received: {model_name(model)}")
    _save(branch_page(model, parts[branch], branch.removesuffix(BRANCHES)), paths)


def _save(page: Page, paths) -> None:
    for path in [paths] if isinstance(paths, str | Path) else paths:
        page.save(path)


def _title(model: keras.Model, parts: dict[str, list[Stage]]) -> str:
    encoder = encoder_name(next(row for part, row in parts.items() if part.endswith(" encoder")))
    network = model_name(model) if encoder == "encoder" else f"{model_name(model)} with {encoder}"
    return f"{network}: {model.count_params():,} parameters"


def _proposed_page(model: keras.Model, parts: dict[str, list[Stage]], branches: list[str]) -> Page:
    """Draw branches as strips on the left, the feature map that they make, and the network that reads it."""
    across, down = network_size(parts)
    page = Page(7.4 + across + 0.3, 7.3)
    middle = 3.55
    rows = [5.5, 3.55, 1.6] if len(branches) == 3 else [middle]
    fused = [
        _draw_branch(page, y, model, parts[part], part.removesuffix(BRANCHES))
        for y, part in zip(rows, branches, strict=True)
    ]
    feature_map = model.get_layer("feature_map").output.shape[1:]
    box = page.box(6.6, middle, 0.62, 4.9, "fusion", ["feature map", size_text(feature_map)], rotation=90)
    for one in fused:
        page.link(one, box)
    top = 5.6
    draw_network(page, parts, links(model), box, left=7.4, top=top, pitch=(top - 1.05) / max(1, down))
    page.heading(_title(model, parts), "Each box: output height × width × channels, and parameters.")
    page.legend()
    return page


def _draw_branch(page: Page, y: float, model: keras.Model, row: list[Stage], prefix: str) -> Box:
    """Draw slice, strip and fused map of one view; above the strip what it is, below it what is taken from it."""
    view = "each view" if prefix == "shared" else prefix
    slices = page.box(0.82, y, 1.05, 0.74, "input", [view, size_text(model.inputs[0].shape[1:])])
    bars = draw_strip(page, slices.right + 0.28, y, row, 0.95)
    first, last = bars["stem"], bars["block7"]
    page.wire((slices.right, y), (first.left, y))
    middle, attention = (first.left + last.right) / 2, attention_name(row)
    name = f"{branch_encoder(row)} + {attention}" if attention else branch_encoder(row)
    page.text(middle, y + 0.66, f"{name}, {count_text(sum(stage.parameters for stage in row))}", weight="bold")
    joined, taken = model.get_layer(f"{prefix}_fusion"), projections(model, prefix)
    how = "concatenate" if isinstance(joined, keras.layers.Concatenate) else "add"
    total = count_text(sum(layer.count_params() for layer in taken))
    box = page.box(5.42, y, WIDTH, 0.74, "fusion", [how, size_text(joined.output.shape[1:]), total])
    taps, bus = [bars[tapped(layer, prefix)] for layer in taken], y - 0.62
    for tap in taps:
        page.wire((tap.x, tap.bottom), (tap.x, bus), head=False)
    page.wire((min(tap.x for tap in taps), bus), (box.x, bus), (box.x, box.bottom))
    page.text(middle, bus - 0.16, f"{len(taken)} maps, 1×1 to {taken[0].filters} channels, resized")
    return box
