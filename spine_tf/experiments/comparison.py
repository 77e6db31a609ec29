"""Makes Table 7: other works as the paper's text reports them, and our proposed network on its own data."""

from collections.abc import Sequence
from pathlib import Path

from spine_tf.config import Config
from spine_tf.experiments import published
from spine_tf.experiments.cells import GRIDS
from spine_tf.experiments.markdown import NOT_RUN, table_page
from spine_tf.experiments.results import summarise_cell
from spine_tf.experiments.tables import made_of, mean_sd
from spine_tf.support.tables import Table


def comparison_table(base: Config, folder: Path, seeds: Sequence[int]) -> dict:
    """Make Table 7 as plain values: "rows" of `published.TABLE_7` as dicts, "ours" (`results.summarise` or None)."""
    ((name, cell),) = GRIDS["7"].items()
    ours = summarise_cell("7", name, base, folder, seeds)
    return {
        "table": "7",
        "title": "Table 7: comparison with published figures",
        "preset": base.preset,
        "rows": [row._asdict() for row in published.TABLE_7],
        "label": cell.label,
        "run": ours is not None,
        "ours": ours,
        "notes": published.notes("7"),
    }


def comparison_cells(table: dict, emphasis: str = "") -> Table:
    """Make the cells of Table 7; `emphasis` stands around the data of our rows."""
    heads = ["work", "data", "figure %", "called", "paper's reference"]
    lines = []
    for row in table["rows"]:
        reference = f"[{row['reference']}]" if row["reference"] else ""
        lines.append([row["work"], row["data"], f"{row['percent']:g}", row["measure"], reference])
    if table["ours"] is None:
        lines.append([table["label"], "", NOT_RUN, "Dice of volumes", ""])
    else:
        for source, found in table["ours"]["sources"].items():
            data = f"{emphasis}held out: {source}{emphasis}"
            lines.append([table["label"], data, mean_sd(found, "dice"), "Dice of volumes", ""])
    return Table(heads, lines, "llrll")


def comparison_text(table: dict) -> str:
    """Write Table 7 as Markdown."""
    made = []
    if table["ours"] is not None:
        made = [made_of([table["ours"]]), "Our data are not theirs: the rows cannot be ranked."]
    return table_page(table, comparison_cells(table, "**"), made)
