"""Compares Markdown tables by what is in their cells, whatever the widths of the columns."""

import re


def squeezed(text: str) -> str:
    """The text with one blank where there are several, and without those at the ends of lines."""
    return re.sub(r" +", " ", text)


def cells(line: str) -> list[str]:
    """The cells of a line of a table."""
    return [cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|")]
