"""Makes Table 1: the data sets, counted from what lies on disk."""

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from spine_tf.config import Config
from spine_tf.data.cases import Case
from spine_tf.data.verse import find_cases
from spine_tf.experiments import published
from spine_tf.experiments.markdown import table_page
from spine_tf.scans import read_label_map
from spine_tf.scans.labels import REGIONS
from spine_tf.support.files import write_json
from spine_tf.support.progress import progress_bar
from spine_tf.support.tables import Table
from spine_tf.training.run_data import find_split

FIELDS = ("series", "subjects", "with_mask", *REGIONS)
HEADINGS = {"with_mask": "with mask"}


def count_cases(cases: Iterable[Case], counted: Path) -> dict[str, dict]:
    """Count scans, subjects, vertebrae and voxel sizes by source; masks are read once and remembered.

    Args:
        cases: of any data set.
        counted: JSON file where what was read of each mask is kept; a mask whose size or time changed is read anew.

    Returns:
        Source -> "series", "subjects", "with_mask", the number of labelled vertebrae of each region, and "spacing_mm":
        smallest and largest voxel size along x, y and z, of scans with masks.
    """
    counted = Path(counted)
    known = json.loads(counted.read_text()) if counted.exists() else {}
    found, read = {}, {}
    for case in progress_bar(list(cases), desc="counting", unit="case"):
        row = found.setdefault(case.source, {"cases": [], "subjects": set(), "masks": []})
        row["cases"].append(case.case_id)
        row["subjects"].add(case.subject)
        if case.mask is not None:
            about = Path(case.mask).stat()
            key = f"{case.source} {case.case_id} {about.st_size} {about.st_mtime_ns}"
            read[key] = known.get(key) or _read_mask(case.mask)
            row["masks"].append(read[key])
    if read != known:
        write_json(counted, read)
    return {source: _counts(row) for source, row in sorted(found.items())}


def _read_mask(path: Path) -> dict:
    volume = read_label_map(path)
    labels = [int(label) for label in np.unique(volume.array) if label]
    return {"labels": labels, "spacing_mm": [round(float(side), 4) for side in volume.spacing_mm]}


def _counts(row: dict) -> dict:
    sizes = [mask["spacing_mm"] for mask in row["masks"]]
    regions = {
        name: sum(len(set(ids).intersection(mask["labels"])) for mask in row["masks"]) for name, ids in REGIONS.items()
    }
    return {
        "series": len(row["cases"]),
        "subjects": len(row["subjects"]),
        "with_mask": len(row["masks"]),
        **regions,
        "spacing_mm": [[min(axis), max(axis)] for axis in zip(*sizes, strict=True)] if sizes else None,
    }


def data_table(base: Config, folder: Path, data_root: Path) -> dict:
    """Make Table 1 as plain values: "rows" by source with "ours" (`count_cases`) and "paper" where it names the source.

    Args:
        base: the preset's config; its `data` is what is counted, else the embedded default.
        folder: the preset's folder of runs.
        data_root: where the embedded default keeps phantoms and sample CTs.
    """
    if base.data.data is not None:
        cases = find_cases(base.data.data)
    else:
        split, _ = find_split(base, data_root)
        cases = [*split.train, *split.val, *split.test]
    counts = count_cases(cases, Path(folder) / "counted.json")
    rows = [{"label": name, "paper": {}, "ours": ours} for name, ours in counts.items()]
    for name, figures in published.TABLE_1.items():
        row = next((row for row in rows if row["label"] == name), None)
        if row is None:
            rows.append({"label": name, "paper": figures, "ours": None})
        else:
            row["paper"] = figures
    return {"table": "1", "title": "Table 1: data sets", "rows": rows, "notes": published.notes("1")}


def data_cells(table: dict) -> Table:
    """Make the cells of Table 1."""
    heads = ["data set", "series, paper", *(HEADINGS.get(name, name) for name in FIELDS), "voxel size x, y, z in mm"]
    lines = []
    for row in table["rows"]:
        ours, series = row["ours"], row["paper"].get("series", "")
        cells = [str(ours[name]) for name in FIELDS] if ours else ["not on disk", *[""] * (len(FIELDS) - 1)]
        lines.append([row["label"], str(series), *cells, _sizes(ours)])
    return Table(heads, lines, "l" + "r" * (len(heads) - 1))


def data_text(table: dict) -> str:
    """Write Table 1 as Markdown."""
    counted = "Series, subjects and labelled vertebrae are counted from the files; the paper's text gives series alone."
    return table_page(table, data_cells(table), [counted])


def _sizes(ours: dict | None) -> str:
    if not ours or not ours["spacing_mm"]:
        return ""
    return ", ".join(f"{low:g}" if low == high else f"{low:g}-{high:g}" for low, high in ours["spacing_mm"])
