"""Shows what pruning left of each layer: a table, and a bar chart that is readable for hundreds of layers."""

import csv
import io
import math
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from matplotlib.patches import Patch

from spine_tf.models.summary import parts_of
from spine_tf.pruning.groups import Count
from spine_tf.support.files import write_text
from spine_tf.support.plots import new_figure, save_figure

KEPT, REMOVED, FIXED = "#0072B2", "#D9D9D9", "#E69F00"
LINES = 50
"""Lines of one column of the chart; more only if `COLUMNS` would not do."""
COLUMNS = 6
"""Most columns of the chart."""


class Line(NamedTuple):
    """Holds a line of the chart: a layer, or the heading of a part of the network."""

    text: str
    layer: dict | None = None


def layer_rows(counts: Iterable[Count]) -> list[dict]:
    """Make one dict for each layer with filters: part (`models.summary.parts_of`), layer, filters, prunable, kept.

    Args:
        counts: `Structure.counts`.
    """
    counts = list(counts)
    parts = parts_of(c.layer for c in counts)
    return [
        {"part": parts[c.layer], "layer": c.layer, "filters": c.filters, "prunable": c.prunable, "kept": c.kept}
        for c in counts
    ]


def write_layers(path: Path, rows: list[dict]) -> None:
    """Write the rows of `layer_rows`, at least one, as CSV."""
    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_text(path, text.getvalue())


def plot_kept(path: Path, rows: list[dict], title: str = "") -> None:
    """Draw the share of filters that each layer keeps, as a PNG: one bar a layer, grouped by part of the network.

    Beside each bar stand kept and all filters. Layers of which nothing can be removed have another colour.

    Args:
        path: of the PNG.
        rows: of `layer_rows`, at least one.
        title: above the chart; none if empty.
    """
    columns = chart_columns(rows)
    height = max(map(len, columns))
    figure = new_figure((4.6 * len(columns), 1.1 + 0.17 * height), dpi=120, layout="constrained")
    for axes, lines in zip(figure.subplots(1, len(columns), squeeze=False)[0], columns, strict=True):
        for place, line in enumerate(lines):
            if line.layer is None:
                axes.text(0, place, line.text, fontsize=8, fontweight="bold", va="center")
                continue
            kept, filters = line.layer["kept"], line.layer["filters"]
            axes.barh(place, 1, height=0.75, color=REMOVED)
            axes.barh(place, kept / filters, height=0.75, color=KEPT if line.layer["prunable"] else FIXED)
            axes.text(1.02, place, f"{kept} / {filters}", fontsize=6, va="center")
        layers = [(place, line.text) for place, line in enumerate(lines) if line.layer]
        axes.set_yticks([place for place, _ in layers], [text for _, text in layers], fontsize=6)
        axes.tick_params(axis="y", length=0)
        axes.set_xlim(0, 1.28)
        axes.set_xticks([0, 0.5, 1], ["0", "50 %", "100 %"], fontsize=7)
        axes.set_ylim(height - 0.4, -0.7)
        axes.spines[["top", "right", "left", "bottom"]].set_visible(False)
    legend = (("kept", KEPT), ("removed", REMOVED), ("cannot be removed", FIXED))
    handles = [Patch(color=color, label=label) for label, color in legend]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=8)
    if title:
        figure.suptitle(title, fontsize=10)
    save_figure(figure, path)


def chart_columns(rows: list[dict]) -> list[list[Line]]:
    """Arrange the chart's lines part by part under headings, in columns of nearly the same length.

    A part that goes on in the next column has its heading there again.
    """
    parts: dict[str, list[dict]] = {}
    for row in rows:
        parts.setdefault(row["part"], []).append(row)
    total = len(rows) + len(parts)
    count = min(COLUMNS, math.ceil(total / LINES))
    # Two more: every column begins with a heading, and no heading may stand last.
    length = math.ceil(total / count) + 2
    columns: list[list[Line]] = [[]]
    for part, members in parts.items():
        kept, filters = (sum(row[key] for row in members) for key in ("kept", "filters"))
        if len(columns[-1]) + 2 > length:
            columns.append([])
        columns[-1].append(Line(f"{part}: {kept} / {filters}"))
        for row in members:
            if len(columns[-1]) == length:
                columns.append([Line(f"{part}, continued")])
            columns[-1].append(Line(_short(row["layer"], part), row))
    return columns


def _short(layer: str, part: str) -> str:
    """Shorten a layer's name by what the heading says: "shared_block1a_conv" of the "shared branch"."""
    return layer.removeprefix(f"{part.split()[0]}_") if part.endswith("branch") else layer
