"""Draws the paper's figures: architectures of built networks, segmentations of held-out scans from runs on disk."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
from matplotlib.colors import to_rgba
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from spine_tf.config import Config
from spine_tf.data.cases import Case
from spine_tf.data.loading import load_case
from spine_tf.data.splits import read_split
from spine_tf.experiments.cells import GRIDS, cell_config, run_place, seed_folder
from spine_tf.experiments.drawings.architecture import architecture_figure, branch_figure
from spine_tf.experiments.results import read_run
from spine_tf.inference.outputs import output_paths
from spine_tf.models import build_model
from spine_tf.scans import read_label_map
from spine_tf.scans.labels import spine_mask
from spine_tf.support.plots import new_figure, save_figure
from spine_tf.training.run_folder import RunFolder
from spine_tf.viewer.overlay import ERRORS, WINDOW_HU, compare

FIGURES = {
    1: ("3", "linknet"),
    2: ("3", "fpn"),
    3: ("3", "pspnet"),
    4: ("3", "unet"),
    5: ("ablation", "proposed"),
    6: ("ablation", "proposed"),
    7: None,
}
"""Figure -> the cell whose network it shows; None: segmentations."""
BRANCH = 5
"""Shows one branch of its network, block by block."""
SHOWN = (("3", "linknet"), ("3", "fpn"), ("3", "pspnet"), ("3", "unet"), ("4", "efficientnetb7"), ("7", "proposed"))
"""Networks of Figure 7, in the order of the columns."""
PREDICTED = ("4", "efficientnetb7")
"""The network of the paper's Figure 7 ("LinkNet-34 model with the combination of EfficientNetB7 encoder and Adamax
optimizer"): its mask is shown by itself too; where it was not run, the last of the others'."""
MOST_CASES = 4
MASK = "#F0E442"
"""Truth, and a prediction by itself."""
MARGIN_MM = 20.0
"""Around what is spine in the truth or in a mask; the rest of the slice is not shown."""


def draw_figure(number: int, base: Config, folder: Path, path: Path, seeds: Sequence[int]) -> bool:
    """Draw one of the paper's figures as a PNG; architectures as an SVG beside it as well.

    Args:
        number: a key of `FIGURES`.
        base: the preset's config; its networks are what Figures 1 to 6 show.
        folder: the preset's folder of runs, for Figure 7.
        path: the PNG.
        seeds: of the runs, for Figure 7.

    Returns:
        whether there was anything to draw.

    Example:
        >>> from spine_tf.experiments.settings import base_config
        >>> base = base_config("tiny", Path("runs"), None)
        >>> draw_figure(7, base, Path("runs/tiny"), Path("figure7.png"), seeds=(0,))  # nothing was run
        False
    """
    if FIGURES[number] is None:
        return draw_segmentations(base, folder, path, seeds)
    config = cell_config(*FIGURES[number], base, 0)
    draw = branch_figure if number == BRANCH else architecture_figure
    draw(build_model(config.model, config.preprocess.image_size), (path, path.with_suffix(".svg")))
    keras.backend.clear_session()
    return True


def draw_segmentations(base: Config, folder: Path, path: Path, seeds: Sequence[int]) -> bool:
    """Draw Figure 7: a sagittal slice of held-out scans, of the seed of which most networks were run.

    A row is a scan. From left to right: the scan, its truth, the mask of one network, and for every network where its
    mask is right (green), too much (orange), missed (blue). The slice is the one with the most spine in it.
    """
    # Of one seed: with another one the split, and with it what was held out, may be another.
    found = max((_finished(base, folder, seed) for seed in seeds), key=len)
    if not found:
        return False
    shown = PREDICTED if PREDICTED in found else list(found)[-1]
    rows = [_row(case, found, shown) for case in _pick(read_split(RunFolder(next(iter(found.values()))).split).test)]
    columns, shapes = len(found) + 3, [row[0].height_mm / row[0].width_mm for row in rows]
    size = 1.5 * columns, 1.42 * sum(shapes) + 0.3 * len(rows) + 0.9
    figure = new_figure(size, dpi=150, layout="constrained")
    grid = figure.subplots(len(rows), columns, squeeze=False, height_ratios=shapes)
    for axes_row, row in zip(grid, rows, strict=True):
        for axes, panel in zip(axes_row, row, strict=True):
            _draw(axes, panel)
    titles = ["CT", "truth", f"prediction,\n{_label(*shown)}", *(_label(*cell) for cell in found)]
    for axes, title in zip(grid[0], titles, strict=True):
        axes.set_title(title, fontsize=9)
    handles = [Patch(color=MASK, label="truth or prediction"), *(Patch(color=c, label=n) for n, c in ERRORS.items())]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=9)
    save_figure(figure, path)
    return True


class _Panel(NamedTuple):
    """A slice with the head up and the front on the left, and what is drawn on it."""

    hu: np.ndarray
    tints: dict[str, np.ndarray]
    """Colour -> where, bool arrays of the slice's shape."""
    height_mm: float
    width_mm: float
    below: str = ""
    beside: str = ""


def _row(case: Case, found: dict[tuple[str, str], Path], shown: tuple[str, str]) -> list[_Panel]:
    """Cut the panels of one scan to the box around what is spine in its truth or in a mask."""
    volume, labels = load_case(case)
    whole = spine_mask(labels)
    index = int(np.argmax(whole.sum(axis=(1, 2))))
    paths = {cell: output_paths(RunFolder(run).evaluation, case.case_id)["mask"] for cell, run in found.items()}
    masks = {cell: (read_label_map(path).array > 0)[index] for cell, path in paths.items()}
    truth, spacing_mm = whole[index], np.asarray(volume.spacing_mm)[1:]
    box = _box(np.any([truth, *masks.values()], axis=0), spacing_mm)

    def panel(tints: dict[str, np.ndarray], below: str = "", beside: str = "") -> _Panel:
        turned = {colour: where[box].T[::-1, ::-1] for colour, where in tints.items()}
        hu = volume.array[index][box].T[::-1, ::-1]  # (z, y)
        width_mm, height_mm = np.multiply(hu.shape[::-1], spacing_mm)
        return _Panel(hu, turned, height_mm, width_mm, below, beside)

    panels = [panel({}, beside=case.case_id), panel({MASK: truth}), panel({MASK: masks[shown]})]
    for cell, run in found.items():
        errors = {ERRORS[kind]: where for kind, where in compare(truth, masks[cell]).items()}
        panels.append(panel(errors, f"Dice {100 * read_run(run)['cases'][case.case_id]:.1f} %"))
    return panels


def _box(mask: np.ndarray, spacing_mm: np.ndarray) -> tuple[slice, slice]:
    """Find the box around a mask with `MARGIN_MM`, at least half as wide as high; everything if it is empty."""
    if not mask.any():
        return slice(None), slice(None)
    places = np.argwhere(mask)
    margin = np.ceil(MARGIN_MM / spacing_mm).astype(int)
    low, high = places.min(axis=0) - margin, places.max(axis=0) + 1 + margin
    height_mm = (high[1] - low[1]) * spacing_mm[1]
    missing = max(0, int(0.5 * height_mm / spacing_mm[0]) - (high[0] - low[0]))
    low[0] -= missing // 2
    high[0] += missing - missing // 2
    return tuple(slice(max(0, a), min(side, b)) for a, b, side in zip(low, high, mask.shape, strict=True))


def _finished(base: Config, folder: Path, seed: int) -> dict[tuple[str, str], Path]:
    """Find the networks of `SHOWN` that were run with a seed: table and cell -> the run's folder."""
    runs = {}
    for table, name in SHOWN:
        run = seed_folder(Path(folder) / run_place(table, name, base), seed)
        if RunFolder(run).evaluated:
            runs[table, name] = run
    return runs


def _label(table: str, name: str) -> str:
    label = GRIDS[table][name].label
    return f"LinkNet-34,\n{label}" if table == "4" else label.replace(" (ours)", "")


def _pick(cases: list[Case]) -> list[Case]:
    """Pick the first case of every source, then others, at most `MOST_CASES`."""
    first = {case.source: case for case in reversed(cases)}
    return sorted(cases, key=lambda case: first[case.source] is not case)[:MOST_CASES]


def _draw(axes, panel: _Panel) -> None:
    """Draw a panel in right proportions, with a scale bar."""
    width_mm, height_mm = panel.width_mm, panel.height_mm
    place = {"extent": (0, width_mm, 0, height_mm), "origin": "upper", "aspect": "equal"}
    low, high = WINDOW_HU
    axes.imshow(panel.hu, cmap="gray", vmin=low, vmax=high, interpolation="bilinear", **place)
    for colour, where in panel.tints.items():
        tint = np.zeros((*where.shape, 4))
        tint[where] = to_rgba(colour, 0.6)
        axes.imshow(tint, interpolation="nearest", **place)
    axes.set(xticks=[], yticks=[])
    axes.set_xlabel(panel.below, fontsize=9)
    axes.set_ylabel(panel.beside, fontsize=9)
    length = 50 if width_mm > 80 else 10
    axes.plot([0.05 * width_mm, 0.05 * width_mm + length], [0.04 * height_mm] * 2, color="white", lw=2)
    halo = [withStroke(linewidth=1.5, foreground="black")]
    axes.text(0.05 * width_mm, 0.06 * height_mm, f"{length} mm", color="white", fontsize=7, path_effects=halo)
