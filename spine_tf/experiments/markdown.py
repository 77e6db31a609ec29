"""Writes a table of results as a page of Markdown, the same way for all tables."""

from collections.abc import Sequence

from spine_tf.support.tables import Table, markdown_table

NOT_RUN, ABSENT = "not run", "not given"
"""Cells: nothing was run; the paper's text does not say."""


def table_page(table: dict, cells: Table, paragraphs: Sequence[str] = ()) -> str:
    """Write title, cells, paragraphs, and then the notes as a list.

    Args:
        table: with "title", and "notes" if there are any.
        cells: of the table.
        paragraphs: Markdown; an empty one is left out.

    Example:
        >>> print(table_page({"title": "Dice", "notes": ["Of two scans."]}, Table(["case"], [["a"]], "l")))
        # Dice
        <BLANKLINE>
        | case   |
        |:-------|
        | a      |
        <BLANKLINE>
        - Of two scans.
        <BLANKLINE>
    """
    notes = "\n".join(f"- {note}" for note in table.get("notes", ()))
    blocks = [f"# {table['title']}", markdown_table(cells), *paragraphs, notes]
    return "\n\n".join(block for block in blocks if block) + "\n"
