"""The paper's figures: architectures drawn from built networks, segmentations of held-out scans from runs on disk."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from spine_tf.config import Config
from spine_tf.datasets.cases import Case, load_case, spine_mask
from spine_tf.datasets.splits import read_split
from spine_tf.experiments.cells import GRIDS, cell_config, run_place
from spine_tf.experiments.results import read_run
from spine_tf.experiments.running import EVALUATION, is_done
from spine_tf.files import whole_file
from spine_tf.scans import read_label_map

FIGURES = {
    1: ("3", "linknet"),
    2: ("3", "fpn"),
    3: ("3", "pspnet"),
    4: ("3", "unet"),
    5: ("ablation", "proposed"),
    6: ("ablation", "proposed"),
    7: None,
}
"""Figure -> the cell whose network it shows; None: segmentations. Figure 5 is the branch of the network of Figure 6."""
SHOWN = (("3", "linknet"), ("3", "fpn"), ("3", "pspnet"), ("3", "unet"), ("4", "efficientnetb7"), ("7", "proposed"))
"""Networks of Figure 7, in the order of the columns."""
MOST_CASES = 4
ERRORS = {"found": "#009E73", "too much": "#E69F00", "missed": "#56B4E9"}
"""True positive, false positive, false negative; of the Okabe-Ito palette."""
WINDOW_HU = (-300.0, 1300.0)


def draw_figure(number: int, base: Config, folder: Path, path: Path, seeds: Sequence[int]) -> bool:
    """Draw one of the paper's figures as a PNG.

    Args:
        number: a key of `FIGURES`.
        base: the preset's config; its networks are what Figures 1 to 6 show.
        folder: the preset's folder of runs, for Figure 7.

    Returns:
        whether there was anything to draw.
    """
    if FIGURES[number] is None:
        return draw_segmentations(base, folder, path, seeds)
    # Imported here: Figure 7 needs no TensorFlow.
    import keras

    from spine_tf.models import build_model
    from spine_tf.models.figure import architecture_figure

    config = cell_config(*FIGURES[number], base, 0)
    architecture_figure(build_model(config.model, config.preprocess.image_size), path)
    keras.backend.clear_session()
    return True


def draw_segmentations(base: Config, folder: Path, path: Path, seeds: Sequence[int]) -> bool:
    """Figure 7: a sagittal slice of held-out scans, a column each network, of the seed with the most of them.

    Green is found, orange too much, blue missed; the slice is the one with the most spine in it.
    """
    # Of one seed: with another one the split, and with it what was held out, may be another.
    found = max((_finished(base, folder, seed) for seed in seeds), key=len)
    if not found:
        return False
    cases = _pick(read_split(next(iter(found.values())) / "split.json").test)
    figure = Figure(figsize=(2.1 * (len(found) + 1), 2.6 * len(cases) + 0.5), dpi=130, layout="constrained")
    grid = figure.subplots(len(cases), len(found) + 1, squeeze=False)
    for row, case in zip(grid, cases, strict=True):
        volume, labels = load_case(case)
        truth = spine_mask(labels)
        index = int(np.argmax(truth.sum(axis=(1, 2))))
        _draw(row[0], volume, index, {})
        row[0].set_ylabel(case.case_id, fontsize=8)
        for axes, run in zip(row[1:], found.values(), strict=True):
            mask = read_label_map(run / EVALUATION / f"{case.case_id}_seg-spine_msk.nii.gz").hu > 0
            _draw(axes, volume, index, compare(truth[index], mask[index]))
            axes.set_xlabel(f"Dice {100 * read_run(run)['cases'][case.case_id]:.1f} %", fontsize=8)
    for axes, title in zip(grid[0], ["CT", *found], strict=True):
        axes.set_title(title, fontsize=8)
    handles = [Patch(color=colour, label=name) for name, colour in ERRORS.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
    with whole_file(path) as part:
        FigureCanvasAgg(figure)
        figure.savefig(part, format="png", metadata={"Software": None})
    return True


def _finished(base: Config, folder: Path, seed: int) -> dict[str, Path]:
    """The networks of `SHOWN` that were run with a seed: label -> the run's folder."""
    runs = {}
    for table, name in SHOWN:
        run = Path(folder) / run_place(table, name, base) / f"seed{seed}"
        if is_done(run):
            runs[_label(table, name)] = run
    return runs


def compare(truth: np.ndarray, mask: np.ndarray) -> dict[str, np.ndarray]:
    """Where a mask is right, too much, or missing; keys of `ERRORS`, bool arrays of the masks' shape."""
    return {"found": truth & mask, "too much": mask & ~truth, "missed": truth & ~mask}


def _label(table: str, name: str) -> str:
    label = GRIDS[table][name].label
    return f"LinkNet-34,\n{label}" if table == "4" else label.replace(" (ours)", "")


def _pick(cases: list[Case]) -> list[Case]:
    """The first case of every source, then others, at most `MOST_CASES`."""
    first = {case.source: case for case in reversed(cases)}
    return sorted(cases, key=lambda case: first[case.source] is not case)[:MOST_CASES]


def _draw(axes, volume, index: int, errors: dict[str, np.ndarray]) -> None:
    """A sagittal slice with the head up and the front on the left, in right proportions."""
    _, height_mm, width_mm = np.multiply(volume.shape, volume.spacing_mm)[[0, 2, 1]]
    place = {"extent": (0, width_mm, 0, height_mm), "origin": "upper", "aspect": "equal"}
    low, high = WINDOW_HU
    axes.imshow(volume.hu[index].T[::-1, ::-1], cmap="gray", vmin=low, vmax=high, **place)
    for name, where in errors.items():
        tint = np.zeros((*where.T.shape, 4))
        tint[where.T[::-1, ::-1]] = to_rgba(ERRORS[name], 0.6)
        axes.imshow(tint, interpolation="nearest", **place)
    axes.set_xticks([])
    axes.set_yticks([])
    length = 50 if width_mm > 80 else 10
    axes.plot([0.04 * width_mm, 0.04 * width_mm + length], [0.04 * height_mm] * 2, color="white", lw=2)
    axes.text(0.04 * width_mm, 0.06 * height_mm, f"{length} mm", color="white", fontsize=6)
