"""Opens figures and writes them, without a window and without pyplot's list of figures that are open."""

from pathlib import Path

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from spine_tf.support.files import whole_file

_NAMELESS = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}
"""Kind of picture -> what of its metadata is left out, so that the same figure is the same file."""


def new_figure(
    size_inches: tuple[float, float], *, dpi: float = 100, layout: str | None = None, facecolor: str = "white"
) -> Figure:
    """Open a figure that can be drawn and measured.

    Args:
        size_inches: width and height.
        dpi: dots per inch, of the figure and of its file.
        layout: "constrained" makes room for labels and legends; None leaves the axes where they are put.
        facecolor: of the background.
    """
    figure = Figure(figsize=size_inches, dpi=dpi, layout=layout, facecolor=facecolor)
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure whole or not at all, a PNG or an SVG by the ending of the name; an existing file is replaced.

    Raises:
        ValueError: another ending.
    """
    kind = Path(path).suffix.removeprefix(".")
    if kind not in _NAMELESS:
        raise ValueError(f"path must end in .png or .svg. Received: path={str(path)!r}")
    # Names inside an SVG are random numbers otherwise, and no two files would be equal.
    with matplotlib.rc_context({"svg.hashsalt": "spine_tf"}), whole_file(path) as part:
        figure.savefig(part, format=kind, metadata=_NAMELESS[kind])
