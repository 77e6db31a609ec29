"""Draws boxes and wires on a page; all places are in inches from the lower left corner."""

from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Patch

from spine_tf.support.plots import new_figure, save_figure

COLOURS = {
    "input": "#e6e6e6",
    "EfficientNet block": "#cfe2f3",
    "attention": "#fbd5a5",
    "fusion": "#d3ead0",
    "encoder": "#dcd3ee",
    "decoder": "#c4e7e4",
    "head": "#f6d3d9",
}
"""Kind of box -> its colour, the same in every figure."""
INK, WIRE, SKIP = "#1f2933", "#52606d", "#8b5fbf"
LINE = 1.28
"""Distance of two lines of text, in heights of the font."""


class Box(NamedTuple):
    """A box that was drawn: its middle and its sides."""

    x: float
    y: float
    width: float
    height: float

    @property
    def left(self) -> float:
        return self.x - self.width / 2

    @property
    def right(self) -> float:
        return self.x + self.width / 2

    @property
    def top(self) -> float:
        return self.y + self.height / 2

    @property
    def bottom(self) -> float:
        return self.y - self.height / 2


class Page:
    """A page of boxes, wires and text.

    Args:
        width, height: in inches.
        size: of the font, in points.

    Example:
        >>> page = Page(4, 2)
        >>> one, two = (page.box(x, 1, 0.8, 0.5, "encoder", ["conv"]) for x in (1, 3))
        >>> page.link(one, two)
        >>> round(two.left - one.right, 2)
        1.2
    """

    def __init__(self, width: float, height: float, size: float = 9.5):
        self.width, self.height, self.size = width, height, size
        self.figure = new_figure((width, height), dpi=150)
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(0, width), ylim=(0, height))
        self.axes.axis("off")
        self.kinds: dict[str, str] = {}

    def text(self, x, y, text, size=None, **style):
        style = {"ha": "center", "va": "center", "color": INK} | style
        return self.axes.text(x, y, text, fontsize=size or self.size, **style)

    def heading(self, title: str, below: str = "") -> None:
        """Write the title in the upper left corner, and a line of explanation below it."""
        self.text(0.25, self.height - 0.32, title, 15, ha="left", weight="bold")
        self.text(0.25, self.height - 0.66, below, 10, ha="left")

    def box(self, x, y, width, height, kind, lines, *, bold=1, rotation=0, legend="") -> Box:
        """Draw a box around (x, y).

        Args:
            kind: a key of `COLOURS`.
            bold: number of lines, from the first on, that are bold.
            legend: what the legend calls the kind, if not by its name.
        """
        self.kinds.setdefault(kind, legend or kind)
        corner, style = (x - width / 2, y - height / 2), "round,pad=0,rounding_size=0.06"
        self.axes.add_patch(
            FancyBboxPatch(corner, width, height, style, facecolor=COLOURS[kind], edgecolor=INK, lw=0.8)
        )
        for number, line in enumerate(lines):
            offset = LINE * self.size / 72 * ((len(lines) - 1) / 2 - number)
            at = (x - offset, y) if rotation else (x, y + offset)
            self.text(*at, line, weight="bold" if number < bold else "normal", rotation=rotation)
        return Box(x, y, width, height)

    def wire(self, *points, colour=WIRE, head=True, label=""):
        """Draw a line through the points with an arrow head at its end; the label stands on its longest stretch."""
        xs, ys = zip(*points, strict=True)
        self.axes.plot(xs, ys, color=colour, lw=1.2, solid_joinstyle="round", zorder=0.5)
        if head:
            arrow = {"arrowstyle": "-|>", "mutation_scale": 10, "color": colour, "lw": 1.2, "shrinkA": 0, "shrinkB": 0}
            self.axes.add_patch(FancyArrowPatch(points[-2], points[-1], **arrow))
        if label:
            ends = max(pairwise(points), key=lambda e: abs(e[0][0] - e[1][0]))
            x, y = (ends[0][0] + ends[1][0]) / 2, ends[0][1]
            self.text(x, y, label, 8.5, bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.2})

    def link(self, source: Box, target: Box, *, colour=WIRE, label="", bend="bus") -> None:
        """Wire one box to another: straight where they face each other, else with corners.

        Args:
            bend: "bus" turns twice, half-way between the boxes; "elbow" turns once and meets the target from above or
                below.
        """
        style = {"colour": colour, "label": label}
        if abs(source.x - target.x) < 0.01:
            up = target.y > source.y
            ends = (source.top, target.bottom) if up else (source.bottom, target.top)
            self.wire((source.x, ends[0]), (target.x, ends[1]), **style)
            return
        for y in (source.y, target.y):
            if all(box.bottom <= y <= box.top for box in (source, target)):
                self.wire((source.right, y), (target.left, y), **style)
                return
        if bend == "elbow":
            end = target.bottom if source.y < target.y else target.top
            self.wire((source.right, source.y), (target.x, source.y), (target.x, end), **style)
        else:
            middle = (source.right + target.left) / 2
            corners = [(middle, source.y), (middle, target.y)]
            self.wire((source.right, source.y), *corners, (target.left, target.y), **style)

    def legend(self, x: float = 0.15, y: float = 0.08) -> None:
        """Name the kinds of boxes on the page, in a row from (x, y) on."""
        known = [kind for kind in COLOURS if kind in self.kinds]
        handles = [Patch(facecolor=COLOURS[kind], edgecolor=INK, label=self.kinds[kind]) for kind in known]
        place = {"loc": "lower left", "bbox_to_anchor": (x / self.width, y / self.height)}
        self.axes.legend(handles=handles, ncols=len(handles), frameon=False, fontsize=9.5, columnspacing=1.4, **place)

    def save(self, path: str | Path) -> None:
        """Write the page, a PNG or an SVG by the ending of the name; an existing file is replaced.

        Raises:
            ValueError: another ending.
        """
        save_figure(self.figure, path)
