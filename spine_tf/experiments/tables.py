"""Makes Tables 3 to 6 and the ablations from the runs on disk: ours beside the paper's."""

from collections.abc import Sequence
from pathlib import Path

from spine_tf.config import Config
from spine_tf.experiments import published
from spine_tf.experiments.cells import GRIDS, NOT_BUILT, run_place, seed_folder
from spine_tf.experiments.markdown import ABSENT, NOT_RUN, table_page
from spine_tf.experiments.results import plateau_epoch, read_history, summarise_cell
from spine_tf.support.tables import Table, markdown_table

TITLES = {
    "3": "Table 3: architectures",
    "4": "Table 4: encoders of LinkNet-34",
    "5": "Table 5: optimizers, LinkNet-34 with EfficientNetB7",
    "6": "Table 6: pre-processing and augmentation",
    "ablation": "Ablations of the proposed network (not in the paper)",
}
COLUMNS = {
    "3": ("val_loss", "jaccard", "dice"),
    "4": ("loss", "val_loss", "jaccard", "dice"),
    "5": ("loss", "val_loss", "jaccard", "dice", "plateau"),
    "6": ("loss", "val_loss", "jaccard", "dice"),
    "ablation": ("val_loss", "jaccard", "dice"),
}
HEADINGS = {
    "loss": "training loss",
    "val_loss": "validation loss",
    "jaccard": "Jaccard %",
    "dice": "Dice %",
    "plateau": "plateau, epoch",
}
PERCENT = ("jaccard", "dice")
CHOICES = {
    "3": ("All four have the encoder ResNet34.",),
    "4": ("ResNet34 is the run of LinkNet-34 in Table 3.",),
    "5": (
        "The plateau is the first epoch after which the validation Dice of slices rises by no more than 0.01; - where "
        "it still rose in the last epoch.",
    ),
    "6": (
        "The network is LinkNet-34 with ResNet34. Without pre-processing nothing is smoothed, clamped or reoriented; "
        "slices are resized and brought to [0, 1] all the same.",
    ),
    "ablation": (
        "With one view there is no attended branch here: the branches are built for three views. What is compared is "
        "the same LinkNet without branches, on single slices and on the three views of a triplet.",
    ),
}
"""Table -> what was chosen where the paper leaves it open."""


def grid_table(table: str, base: Config, folder: Path, seeds: Sequence[int]) -> dict:
    """Make a table of runs as plain values.

    Args:
        table: a key of `TITLES`.
        base: the preset's config.
        folder: the preset's folder of runs.

    Returns:
        "table", "title", "preset", "columns", "seeds", "run" (whether anything was), "rows", "notes". A row has "name",
        "label", "paper" (column -> figure, percent or loss) and "ours" (`results.summarise`, and for Table 5
        "plateau"), which is None where nothing was run; "built" is False where there is no such network.

    Example:
        >>> from spine_tf.experiments.settings import base_config
        >>> made = grid_table("3", base_config("tiny", Path("runs"), None), Path("runs/tiny"), seeds=(0,))
        >>> made["run"], made["rows"][0]["paper"]
        (False, {'val_loss': 0.004, 'jaccard': 90.0, 'dice': 94.0})
    """
    reported, labels = published.TABLES.get(table, {}), {name: cell.label for name, cell in GRIDS[table].items()}
    rows = [
        {"name": name, "label": label, "built": True, "paper": reported.get(name, {})}
        | {"ours": _ours(table, name, base, folder, seeds)}
        for name, label in labels.items()
    ]
    for label in NOT_BUILT.get(table, ()):
        rows.append({"name": label, "label": label, "built": False, "paper": {}, "ours": None})
    return {
        "table": table,
        "title": TITLES[table],
        "preset": base.preset,
        "columns": list(COLUMNS[table]),
        "seeds": list(seeds),
        "run": any(row["ours"] for row in rows),
        "rows": rows,
        "notes": [*CHOICES.get(table, ()), *published.notes(table, labels)],
    }


def _ours(table: str, name: str, base: Config, folder: Path, seeds: Sequence[int]) -> dict | None:
    found = summarise_cell(table, name, base, folder, seeds)
    if found and "plateau" in COLUMNS[table]:
        place = Path(folder) / run_place(table, name, base)
        done = [run["seed"] for run in found["runs"]]
        found["plateau"] = {seed: plateau_epoch(validation_dice(seed_folder(place, seed))) for seed in done}
    return found


def validation_dice(folder: Path) -> list[float]:
    """Read the Dice of the validation slices by epoch; of the training slices in a run without validation."""
    history = read_history(folder)
    key = "val_dice" if history and "val_dice" in history[0] else "dice"
    return [row[key] for row in history]


def table_cells(table: dict) -> Table:
    """Make the cells of a table from what `grid_table` returns."""
    columns = table["columns"]
    in_paper = table["table"] in published.TABLES
    sides = ("paper", "ours") if in_paper else ("ours",)
    heads = ["", *(f"{HEADINGS[column]}, {side}" for column in columns for side in sides), "seeds", "minutes"]
    lines = []
    for row in table["rows"]:
        cells = [row["label"]]
        for column in columns:
            cells += [f"{row['paper'][column]:g}" if column in row["paper"] else ABSENT] if in_paper else []
            cells.append(_our_cell(row, column))
        ours = row["ours"]
        cells += [str(len(ours["runs"])), f"{ours['minutes']:.1f}"] if ours else ["", ""]
        lines.append(cells)
    return Table(heads, lines, "l" + "r" * (len(heads) - 1))


def table_text(table: dict) -> str:
    """Write what `grid_table` returns as Markdown."""
    return table_page(table, table_cells(table), [*_beside(table), *_by_source(table)])


def number(value: float | None, column: str) -> str:
    """Format a score, given in [0, 1], in percent; a loss with four decimals."""
    if value is None:
        return "-"
    return f"{100 * value:.1f}" if column in PERCENT else f"{value:.4f}"


def mean_sd(found: dict | None, column: str) -> str:
    """Format a `results.spread` as "71.2 ± 1.3"; without ± for one seed."""
    if found is None:
        return "-"
    return number(found["mean"], column) + (f" ± {number(found['sd'], column)}" if found["sd"] is not None else "")


def _our_cell(row: dict, column: str) -> str:
    if row["ours"] is None:
        return NOT_RUN if row["built"] else "not built"
    if column == "plateau":
        return ", ".join("-" if epoch is None else str(epoch) for epoch in row["ours"]["plateau"].values())
    return mean_sd(row["ours"][column], column)


def _beside(table: dict) -> list[str]:
    """Say, in paragraphs, what the runs of a table were made with."""
    done = [row["ours"] for row in table["rows"] if row["ours"]]
    if not done:
        return ["Nothing was run yet."]
    config, other = done[0]["config"], []
    if table["table"] in published.TABLES and (config["preset"] != "paper" or not config["data"]["data"]):
        other = ["The paper's figures are of VerSe 2019 and 2020 at 256 pixels: ours cannot be held against them."]
    return ["\n".join([made_of(done), *_missing_seeds(table)]), *other]


def made_of(done: list[dict]) -> str:
    """Say preset, data, seeds, hardware and time of summaries that stand in one table."""
    config, run, made = done[0]["config"], done[0]["runs"][0], done[0]["environment"]
    epochs = sorted({ours["config"]["train"]["epochs"] for ours in done})
    train = "; ".join(f"{count} × {source}" for source, count in run["trained_on"].items())
    held_out = "; ".join(dict.fromkeys(name for ours in done for name in ours["sources"]))
    seeds = ", ".join(map(str, sorted({seed["seed"] for ours in done for seed in ours["runs"]})))
    split = ", and of the split" if config["data"]["data"] else ""
    place = ", ".join(made["gpus"]) or f"{made['cores']} cores of {made['processor']}"
    return " ".join(
        [
            f"Ours: preset `{config['preset']}`, {config['preprocess']['image_size']} pixels,",
            f"{' or '.join(map(str, epochs))} epochs; trained on {train}; held out: {held_out}.",
            f"Dice and Jaccard are of whole volumes, means over {len(run['cases'])} held-out scans; losses those",
            f"of the best epoch; mean ± standard deviation over the seeds ({seeds}), of weights and triplets{split}.",
            f"{place}; {sum(ours['minutes'] for ours in done):.1f} minutes in all.",
        ]
    )


def _missing_seeds(table: dict) -> list[str]:
    wanted = set(table["seeds"])
    missing = {
        row["label"]: sorted(wanted - {run["seed"] for run in row["ours"]["runs"]})
        for row in table["rows"]
        if row["ours"]
    }
    found = [f"{label}: {', '.join(map(str, seeds))}" for label, seeds in missing.items() if seeds]
    return [f"Seeds not run: {'; '.join(found)}."] if found else []


def _by_source(table: dict) -> list[str]:
    """Tabulate Dice by where the held-out scans are from, with baselines without a network, as paragraphs."""
    done = [row for row in table["rows"] if row["ours"]]
    if not done:
        return []
    sources = list(dict.fromkeys(name for row in done for name in row["ours"]["sources"]))
    # What follows the first comma of a source is its story, which stands in the paragraph above.
    heads = [name.split(",")[0] for name in sources]
    lines = []
    for row in done:
        cells = [mean_sd(row["ours"]["sources"].get(name), "dice") for name in sources]
        lines.append([row["label"], *cells, mean_sd(row["ours"]["dice"], "dice")])
    for name, found in done[0]["ours"]["baselines"].items():
        cells = [number(found[source]["mean"], "dice") if source in found else "-" for source in sources]
        lines.append([f"{name} (no network)", *cells, ""])
    shown = Table(["Dice %", *heads, "all"], lines, "l" + "r" * (len(sources) + 1))
    return [markdown_table(shown), *_behind(done, sources)]


def _behind(rows: list[dict], sources: list[str]) -> list[str]:
    """Say so where no network does better than none."""
    without = rows[0]["ours"]["baselines"].values()
    for source in sources:
        reached = max(found[source]["mean"] for found in without if source in found)
        if any(found and found["mean"] > reached for row in rows if (found := row["ours"]["sources"].get(source))):
            return []
    return ["No network does better here than a threshold, which needs no training: this one was too short."]
