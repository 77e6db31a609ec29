"""Writes a table as plain text, Markdown or LaTeX, from the same cells."""

from collections.abc import Sequence
from typing import NamedTuple

SIGNS = {"±": r"$\pm$", "×": r"$\times$", "°": r"$^{\circ}$", "§": r"\S{}"}
"""Signs that LaTeX's standard fonts lack."""


class Table(NamedTuple):
    """Cells that are text already; `align` has a letter for each column, "l" or "r", as in LaTeX.

    Example:
        >>> Table(["case", "Dice"], [["a", "0.91"]], "lr").headings
        ['case', 'Dice']
    """

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    align: str


def plain_table(table: Table) -> str:
    """Write a table for the terminal: aligned columns, a rule below the headings, no line break at the end.

    Example:
        >>> print(plain_table(Table(["case", "Dice"], [["a", "0.91"]], "lr")))
        case      Dice
        ------  ------
        a         0.91
    """
    return "\n".join(line.rstrip() for line in _tabulated(table, "simple").splitlines())


def markdown_table(table: Table) -> str:
    """Write a table as Markdown, without a line break at the end.

    Example:
        >>> print(markdown_table(Table(["case", "Dice"], [["a", "0.91"]], "lr")))
        | case   |   Dice |
        |:-------|-------:|
        | a      |   0.91 |
    """
    headings, *rows = ([cell.replace("|", r"\|") for cell in row] for row in (table.headings, *table.rows))
    return _tabulated(Table(headings, rows, table.align), "pipe")


def latex_table(table: Table, title: str, label: str) -> str:
    """Write a table as a floating one of LaTeX with the rules of booktabs; what LaTeX would obey is escaped.

    Args:
        title: the caption.
        label: what follows "tab:" in the label.
    """
    from tabulate import LATEX_ESCAPE_RULES

    caption = "".join(LATEX_ESCAPE_RULES.get(sign, sign) for sign in title)
    lines = [
        "% needs \\usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{caption}}}",
        rf"\label{{tab:{label}}}",
        _tabulated(table, "latex_booktabs"),
        r"\end{table}",
        "",
    ]
    text = "\n".join(lines)
    for sign, command in SIGNS.items():
        text = text.replace(sign, command)
    return text


def _tabulated(table: Table, style: str) -> str:
    # Imported here: predicting writes no table, and need not have the package.
    from tabulate import tabulate

    align = [{"l": "left", "r": "right"}[letter] for letter in table.align]
    return tabulate(table.rows, table.headings, style, colalign=align, disable_numparse=True)
