"""Tables beyond Markdown: LaTeX with booktabs, and a picture, both from the Markdown that is written beside them."""

import re
import textwrap
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from spine_tf.support.files import whole_file, write_text

SPECIAL = (
    {"\\": r"\textbackslash{}"}
    | {sign: rf"\{sign}" for sign in "&%$#_{}"}
    | {
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "±": r"$\pm$",
        "×": r"$\times$",
        "°": r"$^{\circ}$",
        "§": r"\S{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
    }
)
"""Signs that LaTeX would read as orders, or that its standard fonts lack."""
HEAD_WIDTH, CELL_WIDTH = 16, 34
"""Characters after which a heading and a cell of a picture are broken."""
SIZE, LINE, PAD = 9.0, 0.17, 0.12
"""Font size in points; height of a line and padding of a row in inches."""


def read_tables(markdown: str) -> list[tuple[list[str], list[bool], list[list[str]]]]:
    """The tables of a Markdown text: headings, which columns are numbers (flush right), and rows."""
    found, block = [], []
    for line in [*markdown.splitlines(), ""]:
        if line.startswith("|"):
            block.append([cell.strip() for cell in line.strip().strip("|").split("|")])
        elif block:
            heads, rule, *rows = block
            found.append((heads, [cell.endswith(":") for cell in rule], rows))
            block = []
    return found


def plain(text: str) -> str:
    """Without Markdown's signs for code, bold and italics."""
    return re.sub(r"`|\*\*|(?<!\w)\*(?=\w)|(?<=\w)\*(?!\w)", "", text)


def latex(markdown: str, title: str, label: str) -> str:
    """The first table of a Markdown text as a floating table with booktabs' rules.

    Args:
        title: the caption.
        label: after "tab:".
    """
    heads, numbers, rows = read_tables(markdown)[0]
    columns = "".join("r" if number else "l" for number in numbers)
    lines = [" & ".join(map(_escaped, row)) + r" \\" for row in (heads, *rows)]
    body = [r"\toprule", lines[0], r"\midrule", *lines[1:], r"\bottomrule"]
    begin = [
        "% needs \\usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{_escaped(title)}}}",
        rf"\label{{tab:{label}}}",
        rf"\begin{{tabular}}{{{columns}}}",
    ]
    return "\n".join([*begin, *body, r"\end{tabular}", r"\end{table}", ""])


def _escaped(text: str) -> str:
    return "".join(SPECIAL.get(sign, sign) for sign in plain(text))


def table_picture(path: Path, markdown: str, title: str) -> None:
    """The first table of a Markdown text as a PNG, ruled as booktabs rules."""
    heads, numbers, rows = read_tables(markdown)[0]
    broken = [[_broken(cell, HEAD_WIDTH) for cell in heads]]
    broken += [[_broken(cell, CELL_WIDTH) for cell in row] for row in rows]
    figure = Figure(figsize=(1, 1), dpi=150)
    renderer = FigureCanvasAgg(figure).get_renderer()

    def wide(cell: str, bold: bool) -> float:
        font = FontProperties(size=SIZE, weight="bold" if bold else "normal")
        return max(renderer.get_text_width_height_descent(line, font, False)[0] for line in cell.split("\n")) / 150

    widths = [
        max(wide(row[column], bold=not number) for number, row in enumerate(broken)) + 0.24
        for column in range(len(heads))
    ]
    tall = [max(cell.count("\n") + 1 for cell in row) * LINE + PAD for row in broken]
    width, height = max(sum(widths), 0.1 * len(title)) + 0.3, sum(tall) + 0.75
    figure.set_size_inches(width, height)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.axis("off")
    axes.text(0.15, height - 0.28, title, fontsize=11, weight="bold", va="center")
    top = height - 0.55
    _rule(axes, width, top, 1.4)
    for number, (row, row_height) in enumerate(zip(broken, tall, strict=True)):
        left = 0.15
        for cell, column, right in zip(row, widths, numbers, strict=True):
            place = {"ha": "right"} if right else {"ha": "left"}
            x = left + column - 0.12 if right else left + 0.12
            axes.text(x, top - row_height / 2, cell, fontsize=SIZE, va="center", weight=_weight(number), **place)
            left += column
        top -= row_height
        if number in (0, len(broken) - 1):
            _rule(axes, width, top, 1.4 if number else 0.7)
    with whole_file(path) as part:
        figure.savefig(part, format="png", metadata={"Software": None})


def _weight(row: int) -> str:
    return "normal" if row else "bold"


def _rule(axes, width: float, y: float, thickness: float) -> None:
    axes.plot([0.15, width - 0.15], [y, y], color="black", lw=thickness, solid_capstyle="butt")


def _broken(cell: str, width: int) -> str:
    return "\n".join(textwrap.wrap(plain(cell), width)) or ""


def write_typeset(path: Path, markdown: str, title: str) -> None:
    """Write `path`.tex and `path`_table.png of the first table of a Markdown text; existing ones are replaced."""
    write_text(path.with_suffix(".tex"), latex(markdown, title, path.name))
    table_picture(path.with_name(f"{path.name}_table.png"), markdown, title)
