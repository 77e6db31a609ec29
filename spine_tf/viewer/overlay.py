"""Draws masks on their scan: axial, coronal and sagittal through the mask, as a radiologist hangs them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from nibabel.orientations import aff2axcodes

from spine_tf.scans.volume import Volume
from spine_tf.support.plots import new_figure, save_figure

MASK_COLOURS = ("#E69F00", "#CC79A7", "#009E73", "#F0E442")
"""Of the Okabe-Ito palette, which people with any form of colour blindness can tell apart."""
TRUTH_COLOUR = "#56B4E9"
ERRORS = {"found": "#009E73", "too much": "#E69F00", "missed": "#56B4E9"}
"""Colours of true positives, false positives, false negatives; of the same palette."""
WINDOW_HU = (-300.0, 1300.0)
"""HU shown black and white."""
# Rows and columns of a picture as axes of (x, y, z); both run against the axis, so that the patient's right is on the
# left, the front up (axial) or on the left (sagittal), and the head up.
_VIEWS = {"axial": (1, 0), "coronal": (2, 0), "sagittal": (2, 1)}
_ENDS = (("R", "L"), ("A", "P"), ("S", "I"))
_HALO = [withStroke(linewidth=2, foreground="black")]
_PANEL_INCHES = 4.6
_WIDEST_INCHES = 15.0
_NARROWEST = 0.45
_MARGINS_INCHES = 1.0


def save_overlay(
    path: str | Path,
    volume: Volume,
    masks: dict[str, np.ndarray],
    *,
    truth: np.ndarray | None = None,
    title: str = "",
    colours: Sequence[str] = MASK_COLOURS,
) -> None:
    """Write a PNG of three slices through the centre of mass of the first mask that is not empty (else the volume's).

    Patient's right on the left, head up, front up in the axial view; right proportions in mm; a scale bar in each view.
    Nothing of the scan but its voxels is in the file; `title` is the caller's.

    Args:
        path: of the PNG.
        volume: in RAS+ order.
        masks: name for the legend to array (x, y, z) like `volume.array`, foreground above 0; may be empty.
        truth: array (x, y, z), drawn as a contour over the masks.
        title: above the slices.
        colours: of the masks, in their order.

    Raises:
        ValueError: a volume in another order, a mask of another shape, or more masks than colours.

    Example:
        >>> from spine_tf.scans import volume_from_array
        >>> volume = volume_from_array(np.zeros((20, 20, 20), np.int16), np.eye(4))
        >>> save_overlay("scan.png", volume, {"spine": volume.array == 0})
        >>> Path("scan.png").read_bytes()[1:4]
        b'PNG'
    """
    path = Path(path)
    axes_codes = "".join(aff2axcodes(volume.affine))
    if axes_codes != "RAS":
        raise ValueError(f"volume must be in RAS+ order. Received: {axes_codes}")
    if len(masks) > len(colours):
        raise ValueError(f"masks may number at most {len(colours)}. Received: {len(masks)}")
    layers = [(name, np.asarray(m) > 0, colours[i], True) for i, (name, m) in enumerate(masks.items())]
    if truth is not None:
        layers.append(("truth", np.asarray(truth) > 0, TRUTH_COLOUR, False))
    for name, mask, *_ in layers:
        if mask.shape != volume.shape:
            raise ValueError(f"mask {name} must have the volume's shape {volume.shape}. Received: {mask.shape}")
    centre = _centre([mask for _, mask, *_ in layers], volume.shape)
    figure, panels = _lay_out(np.multiply(volume.shape, volume.spacing_mm))
    for axes, (view, plane) in zip(panels, _VIEWS.items(), strict=True):
        _draw_view(axes, view, plane, volume, layers, centre)
    if title:
        figure.suptitle(title, color="white", fontsize=10, y=0.985)
    handles = [
        Line2D([], [], color=colour, linewidth=5 if filled else 2, label=name if mask.any() else f"{name} (empty)")
        for name, mask, colour, filled in layers
    ]
    if handles:
        figure.legend(handles=handles, loc="lower center", ncols=len(handles), frameon=False, labelcolor="white")
    save_figure(figure, path)


def save_errors(path: str | Path, volume: Volume, mask: np.ndarray, truth: np.ndarray) -> None:
    """Write a PNG as `save_overlay` does, of where a mask is right, too much, or missing.

    Args:
        path: of the PNG.
        volume: in RAS+ order.
        mask, truth: arrays (x, y, z) like `volume.array`, foreground above 0.

    Raises:
        ValueError: as `save_overlay`.

    Example:
        >>> from spine_tf.scans import volume_from_array
        >>> volume = volume_from_array(np.zeros((20, 20, 20), np.int16), np.eye(4))
        >>> save_errors("errors.png", volume, volume.array == 0, volume.array == 1)
        >>> Path("errors.png").read_bytes()[1:4]
        b'PNG'
    """
    save_overlay(path, volume, compare(truth, mask), colours=tuple(ERRORS.values()))


def compare(truth: np.ndarray, mask: np.ndarray) -> dict[str, np.ndarray]:
    """Find where a mask is right, too much, or missing.

    Args:
        truth, mask: arrays of one shape, foreground above 0.

    Returns:
        keys of `ERRORS` -> bool arrays of that shape.

    Example:
        >>> {name: where.tolist() for name, where in compare(np.array([1, 1, 0]), np.array([1, 0, 1])).items()}
        {'found': [True, False, False], 'too much': [False, False, True], 'missed': [False, True, False]}
    """
    truth, mask = np.asarray(truth) > 0, np.asarray(mask) > 0
    return {"found": truth & mask, "too much": mask & ~truth, "missed": truth & ~mask}


def _centre(masks, shape):
    for mask in masks:
        if mask.any():
            # Sums along each axis: the indices of every voxel would cost 24 bytes each.
            counts = [mask.sum(axis=tuple(a for a in range(3) if a != axis)) for axis in range(3)]
            return [round(np.average(np.arange(n.size), weights=n)) for n in counts]
    return [n // 2 for n in shape]


def _lay_out(extent_mm):
    x, y, z = extent_mm
    if 2 * z < y:
        # A flat slab: coronal over sagittal, beside the axial view and in its scale.
        rows, height, ratios, cells = 2, y, [x, max(x, y)], ((slice(None), 0), (0, 1), (1, 1))
    else:
        rows, height, cells = 1, 1.0, ((0, 0), (0, 1), (0, 2))
        ratios = [max(ratio, _NARROWEST) for ratio in (x / y, x / z, y / z)]
    width = sum(ratios)
    inches = min(_PANEL_INCHES, _WIDEST_INCHES * height / width)
    size = (inches * width / height + 0.4, inches + _MARGINS_INCHES)
    figure = new_figure(size, dpi=130, facecolor="black")
    grid = figure.add_gridspec(
        rows,
        len(ratios),
        width_ratios=ratios,
        left=0.2 / size[0],
        right=1 - 0.2 / size[0],
        bottom=0.45 / size[1],
        top=1 - (_MARGINS_INCHES - 0.45) / size[1],
        wspace=0.04,
        hspace=0.15,
    )
    return figure, [figure.add_subplot(grid[cell]) for cell in cells]


def _draw_view(axes, view, plane, volume, layers, centre):
    row, column = plane
    fixed = 3 - row - column
    height_mm, width_mm = (volume.shape[a] * volume.spacing_mm[a] for a in plane)
    place = {"extent": (0, width_mm, 0, height_mm), "origin": "upper"}
    picture = _slice(volume.array, fixed, centre[fixed])
    low, high = WINDOW_HU
    axes.imshow(picture, cmap="gray", vmin=low, vmax=high, interpolation="bilinear", aspect="equal", **place)
    for _, mask, colour, filled in layers:
        flat = _slice(mask, fixed, centre[fixed])
        if not flat.any():
            continue
        if filled:
            tint = np.zeros((*flat.shape, 4))
            tint[..., :3] = to_rgb(colour)
            tint[..., 3] = 0.3 * flat
            axes.imshow(tint, interpolation="nearest", aspect="equal", **place)
        # A rim of background, so that a mask that touches the border is closed there.
        rimmed = np.pad(flat.astype(np.float32), 1)
        step_y, step_x = height_mm / flat.shape[0], width_mm / flat.shape[1]
        x = (np.arange(rimmed.shape[1]) - 0.5) * step_x
        y = height_mm - (np.arange(rimmed.shape[0]) - 0.5) * step_y
        axes.contour(x, y, rimmed, levels=[0.5], colors=[colour], linewidths=1.1)
    axes.set_xlim(0, width_mm)
    axes.set_ylim(0, height_mm)
    axes.set_axis_off()
    axes.set_title(f"{view} {'xyz'[fixed]}={centre[fixed]}", color="white", fontsize=9, pad=4)
    _write_letters(axes, _ENDS[row], _ENDS[column])
    _draw_scale(axes, width_mm)


def _slice(array, fixed, index):
    # An index, not np.take: that would first copy a whole turned volume.
    return array[tuple(index if axis == fixed else slice(None) for axis in range(3))].T[::-1, ::-1]  # (row, column)


def _write_letters(axes, vertical, horizontal):
    style = {"color": "white", "fontsize": 9, "path_effects": _HALO, "transform": axes.transAxes}
    axes.text(0.5, 0.985, vertical[0], ha="center", va="top", **style)
    axes.text(0.5, 0.015, vertical[1], ha="center", va="bottom", **style)
    axes.text(0.015, 0.5, horizontal[0], ha="left", va="center", **style)
    axes.text(0.985, 0.5, horizontal[1], ha="right", va="center", **style)


def _draw_scale(axes, width_mm):
    length = next((n for n in (50, 20, 10) if n <= 0.7 * width_mm), 5)
    left, bottom = 0.04 * width_mm, 0.05 * np.diff(axes.get_ylim())[0]
    axes.plot([left, left + length], [bottom] * 2, color="white", linewidth=2, path_effects=_HALO)
    label = {"color": "white", "fontsize": 8, "path_effects": _HALO, "ha": "center", "va": "bottom"}
    axes.annotate(f"{length} mm", (left + length / 2, bottom), xytext=(0, 3), textcoords="offset points", **label)
