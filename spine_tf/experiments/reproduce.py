"""Reproduces the paper's tables and figures: runs what is missing, puts together what is on disk."""

from collections.abc import Sequence
from pathlib import Path

from spine_tf.config import Config
from spine_tf.experiments.amounts import SOURCE, amounts_cells, amounts_table, amounts_text, prune_cell, pruning_cells
from spine_tf.experiments.cells import GRIDS, cell_config, folder_name, run_place, seed_folder
from spine_tf.experiments.comparison import comparison_cells, comparison_table, comparison_text
from spine_tf.experiments.cost import cost_text
from spine_tf.experiments.data_sets import data_cells, data_table, data_text
from spine_tf.experiments.hyperparameters import hyperparameter_cells, hyperparameter_table, hyperparameter_text
from spine_tf.experiments.pictures import draw_figure
from spine_tf.experiments.plots import plot_curves, plot_scores
from spine_tf.experiments.request import Request
from spine_tf.experiments.running import check_same, run_cell
from spine_tf.experiments.settings import SEEDS, base_config
from spine_tf.experiments.tables import grid_table, table_cells, table_text
from spine_tf.support.files import write_json, write_text
from spine_tf.support.progress import progress_bar, say
from spine_tf.support.tables import latex_table
from spine_tf.training.run_folder import RunFolder


def run_table(
    table: str,
    base: Config,
    folder: Path,
    data_root: Path,
    seeds: Sequence[int],
    names: Sequence[str] = (),
) -> list[str]:
    """Run the cells of a table that are not done, seed by seed, so that a table that is stopped has whole columns.

    Args:
        table: any of `request.TABLES`; Tables 1 and 2 need no runs.
        folder: the preset's folder of runs.
        names: cells; none: all of them. Of `pruning`, the source of every run comes first.

    Returns:
        a sentence for each run that failed; the others were run all the same.

    Raises:
        ValueError: a cell that the table does not have.
        RunError: a folder with a run of other settings.
    """
    grid = {"pruning": pruning_cells()}.get(table, GRIDS.get(table, {}))
    unknown = sorted(set(names) - set(grid))
    if unknown:
        raise ValueError(f"cells of table {table} must be among {list(grid)}. Received: {unknown}")
    jobs = [(name, seed) for seed in seeds for name in grid if not names or name in names]
    for name, seed in jobs if table in GRIDS else ():
        # All of them before the first is trained: what is found wrong after an hour is found too late.
        check_same(_place((table, name), base, folder, seed), cell_config(table, name, base, seed))
    failed = []
    for name, seed in progress_bar(jobs, desc=f"table {table}", unit="run", disable=not jobs):
        try:
            if table == "pruning":
                _run(("ablation", SOURCE), base, folder, data_root, seed)
                prune_cell(name, base, folder, seed, data_root)
            else:
                _run((table, name), base, folder, data_root, seed)
        except (ValueError, ArithmeticError) as error:
            failed.append(f"table {table}, {name}, seed {seed}: {error}")
            say(f"failed: {failed[-1]}")
    return failed


def _run(cell: tuple[str, str], base: Config, folder: Path, data_root: Path, seed: int) -> None:
    run_cell(cell_config(*cell, base, seed), _place(cell, base, folder, seed), data_root)


def _place(cell: tuple[str, str], base: Config, folder: Path, seed: int) -> Path:
    return seed_folder(Path(folder) / run_place(*cell, base), seed)


def make_table(
    table: str, base: Config, folder: Path, results: Path, data_root: Path, seeds: Sequence[int]
) -> tuple[dict, str]:
    """Put a table together from what is on disk and write it to `results`: as JSON, Markdown and LaTeX (booktabs); a
    grid's with a plot.

    A table of which nothing was run does not replace one that is there already.

    Returns:
        the table as plain values and as Markdown.
    """
    path = Path(results) / folder_name(table)
    if table == "1":
        made = data_table(base, folder, data_root)
        cells, text = data_cells(made), data_text(made)
    elif table == "2":
        made = hyperparameter_table(base)
        cells, text = hyperparameter_cells(made), hyperparameter_text(made)
    elif table == "7":
        made = comparison_table(base, folder, seeds)
        cells, text = comparison_cells(made), comparison_text(made)
    elif table == "pruning":
        made = amounts_table(base, folder, seeds)
        cells, text = amounts_cells(made["rows"]), amounts_text(made)
    else:
        made = grid_table(table, base, folder, seeds)
        cells, text = table_cells(made), table_text(made)
        text += "".join(f"\n![{made['title']}]({name})\n" for name in _draw(made, base, folder, path, seeds))
    if made.get("run", True) or not path.with_suffix(".json").exists():
        write_json(path.with_suffix(".json"), made)
        write_text(path.with_suffix(".md"), text)
        write_text(path.with_suffix(".tex"), latex_table(cells, made["title"], path.name))
    return made, text


def _draw(table: dict, base: Config, folder: Path, path: Path, seeds: Sequence[int]) -> list[str]:
    """Draw the plots of a grid's table beside `path`; gives their names, none where nothing was run."""
    drawn = [path.with_suffix(".png")] if plot_scores(path.with_suffix(".png"), table) else []
    if table["table"] == "5":
        curves = path.with_name(f"{path.name}_curves.png")
        runs = {
            row["label"]: [_place(("5", row["name"]), base, folder, seed) for seed in seeds] for row in table["rows"]
        }
        finished = {label: [run for run in found if RunFolder(run).evaluated] for label, found in runs.items()}
        drawn += [curves] if plot_curves(curves, finished) else []
    return [picture.name for picture in drawn]


def reproduce_results(request: Request) -> list[str]:
    """Run what is missing for tables and figures, then write and print them.

    Returns:
        a sentence for each run that failed.

    Raises:
        ValueError: a cell that the table does not have.
        RunError: runs of other settings in the folder.

    Example:
        >>> reproduce_results(Request(table=("2",), preset="tiny", train=False))
        <BLANKLINE>
        # Table 2: hyperparameters
        ...
        results in runs/reproduce/tiny/results
        []
    """
    base = base_config(request.preset, request.runs, request.data)
    seeds = request.seeds or SEEDS[request.preset]
    failed = []
    for table in request.tables:
        if request.train:
            print(cost_text(table, base, request.folder, seeds, request.cells), end="")
            failed += run_table(table, base, request.folder, request.data_root, seeds, request.cells)
        print(f"\n{make_table(table, base, request.folder, request.place, request.data_root, seeds)[1]}")
    for number in request.figures:
        path = request.place / f"figure{number}.png"
        drawn = draw_figure(number, base, request.folder, path, seeds)
        print(f"figure {number}: {path if drawn else 'nothing was run yet'}")
    print(f"results in {request.place}")
    return failed
