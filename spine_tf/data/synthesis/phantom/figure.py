"""Draws phantoms: coronal, sagittal and axial slices with the outline of the vertebrae."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
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
        path: where to; a file that is there is replaced.
        phantoms: what to draw; None: those of SHOWN, which takes a minute to make.
        window_hu: the lower one is shown black, the upper one white.
    """
    phantoms = phantoms or [make_phantom(**one) for one in SHOWN]
    rows = -(-len(phantoms) // 3)
    figure = new_figure((15, 2.5 * rows), facecolor="black")
    for number, phantom in enumerate(phantoms):
        row, column = divmod(number, 3)
        _draw(figure, (column / 3, 1 - (row + 1) / rows, 1 / 3, 1 / rows), phantom, window_hu)
    save_figure(figure, path)


def draw_slice(panel: Axes, scan: Phantom, fixed: int, position: int, window_hu, **more) -> None:
    """Draw a slice as one reads a CT: the patient's right and front are on the left, the head is up.

    Args:
        panel: what it is drawn on; its axes are switched off.
        scan: the scan.
        fixed: the axis across the slice, 0, 1 or 2.
        position: the slice's voxel along that axis.
        window_hu: HU shown black and white.
        more: for `Axes.imshow`.
    """
    picture, place = _seen(scan, scan.hu, fixed, position)
    panel.imshow(picture, cmap="gray", vmin=window_hu[0], vmax=window_hu[1], **place, **more)
    panel.set_axis_off()


def draw_outline(panel: Axes, scan: Phantom, mask: np.ndarray, fixed: int, position: int, width: float) -> None:
    """Draw the edge of a mask, bool (x, y, z), over a slice of `draw_slice`, `width` points wide."""
    picture, place = _seen(scan, mask, fixed, position)
    if picture.any():
        panel.contour(picture, [0.5], colors="#E69F00", linewidths=width, **place)


def _seen(scan: Phantom, array: np.ndarray, fixed: int, position: int) -> tuple[np.ndarray, dict]:
    """A slice turned as it is shown, and where it lies on the panel in mm."""
    across, up = (axis for axis in range(3) if axis != fixed)
    size_mm = np.multiply(scan.hu.shape, scan.spacing_mm)
    return array.take(position, fixed).T[:, ::-1], {"extent": (0, size_mm[across], 0, size_mm[up]), "origin": "lower"}


def _draw(figure: Figure, cell: tuple[float, float, float, float], phantom: Phantom, window_hu) -> None:
    left, bottom, width, height = cell
    spine = spine_mask(phantom.labels)
    centres = np.array(list(phantom.centroids.values())) if phantom.centroids else np.array([phantom.hu.shape]) / 2
    at = centres[len(centres) // 2].astype(int)
    x, y, z = np.multiply(phantom.hu.shape, phantom.spacing_mm)
    shares = np.array([x / z, y / z, x / y])
    shares *= 0.97 * width / shares.sum()
    for fixed, share in zip((1, 0, 2), shares, strict=True):
        panel = figure.add_axes((left, bottom + 0.02 * height, share, 0.86 * height))
        left += share + 0.005 * width
        draw_slice(panel, phantom, fixed, at[fixed], window_hu)
        draw_outline(panel, phantom, spine, fixed, at[fixed], 0.7)
    told = phantom.description
    title = f"{told['region']}, {told['contrast']}, {told['kernel']} kernel"
    if told["anatomy"] != "random":
        title += f", Cobb {told['cobb_deg']:.0f}°, screws in {len(told['screws'])}"
    figure.text(cell[0] + width / 2, bottom + 0.97 * height, title, color="white", fontsize=10, ha="center", va="top")
