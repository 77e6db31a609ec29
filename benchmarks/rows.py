"""Makes the rows of a benchmark: what was aimed at, what was measured beside what, and whether the aim is met."""

from pathlib import Path

from spine_tf.support.files import write_json
from spine_tf.support.tables import Table, markdown_table


def row(name: str, measured: float | None, *, at_most=None, at_least=None, note: str = "") -> dict:
    """Make one row. Without an aim, or without a measurement, `met` is None.

    Args:
        name: what is measured, and beside what if it is a ratio.
        measured: None where it could not be measured; `note` then says why.
        at_most, at_least: the aim, one of both or neither.
        note: what a reader needs to judge the figure.
    """
    aim = f"at most {at_most:g}" if at_most is not None else f"at least {at_least:g}" if at_least is not None else ""
    met = None
    if measured is not None and aim:
        met = measured <= at_most if at_most is not None else measured >= at_least
    return {
        "name": name,
        "aim": aim,
        "measured": None if measured is None else float(f"{measured:.3g}"),
        "met": met,
        "note": note,
    }


def finish(rows: list[dict], output: Path | None) -> None:
    """Print the rows as a table, and write them as JSON where `output` is given."""
    print(table(rows))
    if output is not None:
        write_json(output, rows)


def table(rows: list[dict]) -> str:
    """Format the rows as Markdown."""
    words = {True: "yes", False: "**no**", None: ""}
    cells = []
    for found in rows:
        measured = "not measured" if found["measured"] is None else f"{found['measured']:g}"
        cells.append([found["name"], found["aim"], measured, words[found["met"]], found["note"]])
    return markdown_table(Table(["what", "aim", "measured", "met", "note"], cells, "llrll"))
