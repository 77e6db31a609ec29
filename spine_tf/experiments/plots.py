"""Plots what stands beside the tables: Dice of every seed with the paper's, and the optimizers' curves."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from spine_tf.experiments.results import plateau_epoch, read_history
from spine_tf.support.plots import new_figure, save_figure

OURS, PAPERS = "#0072B2", "#D55E00"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
"""Of the Okabe-Ito palette, which people with any form of colour blindness can tell apart."""
CURVES = {"loss": "training loss", "val_loss": "validation loss", "val_jaccard": "Jaccard of validation slices"} | {
    "val_dice": "Dice of validation slices (circle: plateau)"
}


def plot_scores(path: Path, table: dict) -> bool:
    """Plot Dice of each seed's run as a dot, their mean as a line, the paper's as a diamond; a row each. PNG.

    Args:
        table: as `tables.grid_table` returns it.

    Returns:
        whether there was anything to draw: no run, no picture.
    """
    rows = [row for row in table["rows"] if row["built"]]
    if not any(row["ours"] for row in rows):
        return False
    figure = new_figure((7.0, 1.1 + 0.42 * len(rows)), dpi=130, layout="constrained")
    axes = figure.subplots()
    for y, row in enumerate(rows):
        runs = row["ours"]["runs"] if row["ours"] else []
        scores = [100 * run["dice"] for run in runs]
        axes.plot(scores, [y] * len(scores), "o", color=OURS, ms=6, alpha=0.8)
        if scores:
            axes.plot([np.mean(scores)] * 2, [y - 0.3, y + 0.3], color=OURS, lw=2)
        else:
            axes.text(0.5, y, "not run", va="center", transform=axes.get_yaxis_transform(), color="gray")
        if "dice" in row["paper"]:
            axes.plot(row["paper"]["dice"], y, "D", color=PAPERS, ms=7, mfc="none", mew=1.5)
    axes.plot([], [], "o", color=OURS, ms=6, label="ours, a dot for each seed")
    if any("dice" in row["paper"] for row in rows):
        axes.plot([], [], "D", color=PAPERS, mfc="none", mew=1.5, label="paper, on VerSe")
    axes.set_yticks(range(len(rows)), [row["label"] for row in rows])
    axes.set(xlabel="Dice of held-out scans, %", xlim=(0, 100), ylim=(len(rows) - 0.5, -0.5), title=table["title"])
    axes.grid(axis="x", alpha=0.3)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    save_figure(figure, path)
    return True


def plot_curves(path: Path, folders: dict[str, Sequence[Path]]) -> bool:
    """Plot loss, Jaccard and Dice by epoch: the mean over seeds, the seeds thin, the mean curve's plateau as a dot.

    Args:
        folders: label of a curve -> folders of its finished runs.

    Returns:
        whether there was anything to draw.
    """
    histories = {label: [read_history(folder) for folder in found] for label, found in folders.items() if found}
    if not histories:
        return False
    figure = new_figure((11.0, 6.8), dpi=130, layout="constrained")
    for axes, (key, title) in zip(figure.subplots(2, 2).flat, CURVES.items(), strict=True):
        for colour, (label, runs) in zip(COLOURS, histories.items(), strict=False):
            _draw_curve(axes, [[row[key] for row in run if key in row] for run in runs], label, colour, "dice" in key)
        axes.set(title=title, xlabel="epoch")
        axes.grid(alpha=0.3)
    handles = figure.axes[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=len(histories), frameon=False)
    save_figure(figure, path)
    return True


def _draw_curve(axes, curves: list[list[float]], label: str, colour: str, marked: bool) -> None:
    epochs = min(map(len, curves))
    if not epochs:
        return
    middle = np.mean([curve[:epochs] for curve in curves], axis=0)
    for curve in curves if len(curves) > 1 else ():
        axes.plot(range(1, len(curve) + 1), curve, color=colour, lw=0.6, alpha=0.5)
    axes.plot(range(1, epochs + 1), middle, color=colour, lw=2, marker="." if epochs == 1 else None, label=label)
    plateau = plateau_epoch(list(middle)) if marked else None
    if plateau is not None:
        axes.plot(plateau, middle[plateau - 1], "o", color=colour, ms=9, mfc="white", mew=2)
