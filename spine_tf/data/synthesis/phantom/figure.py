"""A picture of phantoms: coronal, sagittal and axial slices with the outline of the vertebrae."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from spine_tf.data.synthesis.phantom import Phantom, make_phantom
from spine_tf.scans.labels import spine_mask
from spine_tf.support.plots import new_figure, save_figure

SHOWN = (
    {"seed": 202},
    {"seed": 100},
    {"seed": 102},
    {"seed": 4},
    {"seed": 103},
    {"seed": 30, "anatomy": "scoliosis_metal"},
)
"""Arguments of `make_phantom` for the picture in the README; the last one is of the held-out anatomy."""


def save_phantom_figure(path: Path, phantoms: list[Phantom] | None = None, window_hu=(-250.0, 750.0)) -> None:
    """Write a PNG with three views of each phantom, three phantoms a row.

    Args:
        phantoms: None: those of SHOWN.
        window_hu: HU shown black and white.
    """
    phantoms = phantoms or [make_phantom(**one) for one in SHOWN]
    rows = -(-len(phantoms) // 3)
    figure = new_figure((15, 2.5 * rows), facecolor="black")
    for number, phantom in enumerate(phantoms):
        row, column = divmod(number, 3)
        _draw(figure, (column / 3, 1 - (row + 1) / rows, 1 / 3, 1 / rows), phantom, window_hu)
    save_figure(figure, path)


def _draw(figure: Figure, cell: tuple[float, float, float, float], phantom: Phantom, window_hu) -> None:
    left, bottom, width, height = cell
    spine = spine_mask(phantom.labels)
    centres = np.array(list(phantom.centroids.values())) if phantom.centroids else np.array([phantom.hu.shape]) / 2
    at = centres[len(centres) // 2].astype(int)
    size_mm = np.multiply(phantom.hu.shape, phantom.spacing_mm)
    shares = np.array([size_mm[0] / size_mm[2], size_mm[1] / size_mm[2], size_mm[0] / size_mm[1]])
    shares *= 0.97 * width / shares.sum()
    for fixed, share in zip((1, 0, 2), shares, strict=True):
        panel = figure.add_axes((left, bottom + 0.02 * height, share, 0.86 * height))
        left += share + 0.005 * width
        cut = tuple(at[fixed] if axis == fixed else slice(None) for axis in range(3))
        across, up = (axis for axis in range(3) if axis != fixed)
        place = {"extent": (0, size_mm[across], 0, size_mm[up]), "origin": "lower"}
        # The patient's right is on the left, and the front on the left in the sagittal view.
        picture, outline = phantom.hu[cut].T[:, ::-1], spine[cut].T[:, ::-1]
        panel.imshow(picture, cmap="gray", vmin=window_hu[0], vmax=window_hu[1], **place)
        if outline.any():
            panel.contour(outline, [0.5], colors="#E69F00", linewidths=0.7, **place)
        panel.set_axis_off()
    told = phantom.description
    title = f"{told['region']}, {told['contrast']}, {told['kernel']} kernel"
    if told["anatomy"] != "random":
        title += f", Cobb {told['cobb_deg']:.0f}°, screws in {len(told['screws'])}"
    figure.text(cell[0] + width / 2, bottom + 0.97 * height, title, color="white", fontsize=10, ha="center", va="top")
