"""Draws a contact sheet of synthetic scans: an axial and a sagittal slice of each, through the spine."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from spine_tf.data.synthesis.phantom import Phantom
from spine_tf.data.synthesis.phantom.figure import draw_outline, draw_slice
from spine_tf.scans.labels import spine_mask
from spine_tf.support.plots import new_figure, save_figure

SOFT_HU, BONE_HU = (-160.0, 320.0), (-350.0, 1050.0)
_CELL_INCHES = (3.0, 2.0)
_COLUMNS = 6


def save_contact_sheet(
    path: Path, scans: Sequence[Phantom], titles: Sequence[str] | None = None, outline: bool = False
) -> None:
    """Write a PNG with one cell a scan, six in a row: axial in a soft-tissue window, sagittal in a bone window.

    The patient's right and front are on the left, the head is up.

    Args:
        path: where to; a file that is there is replaced.
        scans: at least one.
        titles: one a scan; None: what kind of scan it is, its seed and its voxels.
        outline: draw the edge of the vertebrae.

    Raises:
        ValueError: no scans, or another number of titles.

    Example:
        >>> from spine_tf.data.synthesis.phantom import make_phantom
        >>> save_contact_sheet(Path("sheet.png"), [make_phantom(3, shape=(24, 24, 24))])
        >>> Path("sheet.png").read_bytes()[1:4]
        b'PNG'
    """
    titles = [_title(scan) for scan in scans] if titles is None else list(titles)
    if not scans or len(titles) != len(scans):
        raise ValueError(f"scans must be at least one, with a title each. Received: {len(scans)} and {len(titles)}")
    rows = -(-len(scans) // _COLUMNS)
    figure = new_figure((_CELL_INCHES[0] * _COLUMNS, _CELL_INCHES[1] * rows), dpi=110, facecolor="black")
    for number, (scan, title) in enumerate(zip(scans, titles, strict=True)):
        row, column = divmod(number, _COLUMNS)
        _draw(figure, (column / _COLUMNS, 1 - (row + 1) / rows, 1 / _COLUMNS, 1 / rows), scan, title, outline)
    save_figure(figure, path)


def _draw(figure: Figure, cell, scan: Phantom, title: str, outline: bool) -> None:
    left, bottom, width, height = cell
    spine = spine_mask(scan.labels)
    at = _through_spine(scan, spine)
    for number, (fixed, window) in enumerate(((2, SOFT_HU), (0, BONE_HU))):
        panel = figure.add_axes((left + (0.5 * number + 0.005) * width, bottom, 0.49 * width, 0.93 * height))
        draw_slice(panel, scan, fixed, at[fixed], window, interpolation="bilinear")
        if outline:
            draw_outline(panel, scan, spine, fixed, at[fixed], 0.6)
    figure.text(left + width / 2, bottom + 0.985 * height, title, color="white", fontsize=6.5, ha="center", va="top")


def _through_spine(scan: Phantom, spine: np.ndarray) -> list[int]:
    """A voxel in the body of the vertebra nearest to the middle of the scan."""
    middle = np.array(scan.hu.shape) / 2
    if scan.centroids:
        nearest = min(scan.centroids.values(), key=lambda centre: abs(centre[2] - middle[2]))
        return [round(c) for c in nearest]
    return [int(c) for c in (np.argwhere(spine).mean(0) if spine.any() else middle)]


def _title(scan: Phantom) -> str:
    told = scan.description
    kind = told.get("kind", "phantom") + (", wild" if told.get("wild") else "")
    return f"{scan.seed}: {kind}, {' x '.join(f'{s:.1f}' for s in scan.spacing_mm)} mm"
