"""Puts the slices of a series in order, and makes a rectangular grid of them where gaps or gantry tilt left none."""

from dataclasses import dataclass
from math import ceil, floor

import numpy as np
from scipy import ndimage

from spine_tf.scans.checks import MAX_SHEAR, refuse
from spine_tf.scans.dicom_gaps import find_planes
from spine_tf.scans.dicom_header import Slice
from spine_tf.scans.dicom_pixels import read_pixels
from spine_tf.scans.dicom_series import Series

SAME_PLACE_MM = 1e-3
"""Slices whose positions differ by less lie in one place."""
JITTER_MM = 0.1
"""In-plane shifts up to this are rounding of the positions, not tilt."""
MAX_TILT_DEG = 35.0
"""Gantries tilt up to 30 degrees; a larger shift means that the slices are no stack."""
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, eq=False)
class Stack:
    """Slices in order along their normal, and how far they are from a rectangular grid."""

    slices: list[Slice]
    distances_mm: np.ndarray
    """(n,) along the normal, from the first slice."""
    shifts: np.ndarray
    """(n, 2) in-plane shift against the first slice, in pixels along rows and columns; zeros without tilt."""
    slice_distance_mm: float
    even: bool
    warnings: tuple[str, ...]

    @property
    def low(self) -> tuple[int, int]:
        """First pixel (column, row) of the rectangular grid, counted from the first slice's first."""
        return tuple(floor(s) for s in self.shifts.min(axis=0))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (columns, rows, slices) of the rectangular grid that holds every slice whole."""
        grown = [ceil(high) - low for high, low in zip(self.shifts.max(axis=0), self.low, strict=True)]
        count = len(self.slices) if self.even else int(self.distances_mm[-1] / self.slice_distance_mm + 1e-6) + 1
        return (self.slices[0].size[0] + grown[0], self.slices[0].size[1] + grown[1], count)

    @property
    def affine(self) -> np.ndarray:
        """(4, 4) index (column, row, slice) of the rectangular grid to RAS+ mm."""
        first = self.slices[0]
        affine = np.eye(4)
        affine[:3, :2] = (first.directions * first.spacing_mm[:, None]).T
        affine[:3, 2] = _normal(first) * self.slice_distance_mm
        affine[:3, 3] = first.position_mm + affine[:3, :2] @ np.array(self.low)
        return _LPS_TO_RAS @ affine


def stack_slices(series: Series, source: str) -> Stack:
    """Order slices by ImagePositionPatient along their normal (SliceThickness and file names are not asked).

    Copies of a slice, sent again under another SOPInstanceUID or not, are read once if their pixels are equal.

    Args:
        series: from `find_series`.
        source: the scan's name, for messages.

    Raises:
        ScanError: fewer than two slices; two different ones in one place; a shift beyond MAX_TILT_DEG; or whatever
            `find_planes` refuses.
    """
    normal = _normal(series.slices[0])
    ordered, warnings = _without_copies(sorted(series.slices, key=lambda s: float(s.position_mm @ normal)), source)
    if len(ordered) < 2:
        raise refuse(source, "a series must have at least two slices", len(ordered))
    positions = np.array([s.position_mm for s in ordered])  # (slices, 3)
    offsets = positions - positions[0]
    planes = find_planes(offsets @ normal, _rounding_mm(positions, normal), source, series.damaged)
    shifts, tilt_warnings = _shifts(ordered[0], offsets, offsets @ normal, source)
    warnings += planes.warnings + tilt_warnings
    return Stack(ordered, planes.distances_mm, shifts, planes.slice_distance_mm, planes.even, warnings)


def resample_stack(hu: np.ndarray, stack: Stack, fill: int) -> np.ndarray:
    """Interpolate slices linearly onto the stack's rectangular grid.

    Args:
        hu: (columns, rows, slices) int16, slices in the stack's order.
        stack: where they lie.
        fill: HU outside the slices.

    Returns:
        (columns, rows, slices) int16 of shape `stack.shape`; without tilt and gaps `hu` itself.
    """
    if stack.shifts.any():
        straight = np.empty((*stack.shape[:2], hu.shape[2]), np.int16, order="F")
        for k, shift in enumerate(stack.shifts):
            offset = np.array(stack.low) - shift
            plane = ndimage.affine_transform(
                hu[:, :, k].astype(np.float32),
                np.ones(2),
                offset,
                straight.shape[:2],
                order=1,
                mode="grid-constant",
                cval=fill,
            )
            straight[:, :, k] = np.rint(plane)
        hu = straight
    if not stack.even:
        even = np.empty(stack.shape, np.int16, order="F")
        for k in range(even.shape[2]):
            distance = k * stack.slice_distance_mm
            above = int(np.clip(np.searchsorted(stack.distances_mm, distance), 1, hu.shape[2] - 1))
            low, high = stack.distances_mm[above - 1 : above + 1]
            weight = np.float32(np.clip((distance - low) / (high - low), 0, 1))
            even[:, :, k] = np.rint(hu[:, :, above - 1] * (1 - weight) + hu[:, :, above] * weight)
        hu = even
    return hu


def _normal(item: Slice) -> np.ndarray:
    return np.cross(*item.directions)


def _without_copies(ordered: list[Slice], source: str) -> tuple[list[Slice], tuple[str, ...]]:
    """Leave out slices that lie where the one before lies and have its pixels."""
    kept = ordered[:1]
    for item in ordered[1:]:
        here = np.abs(item.position_mm - kept[-1].position_mm).max() < SAME_PLACE_MM
        if not here or not np.array_equal(read_pixels(item, source), read_pixels(kept[-1], source)):
            kept.append(item)
    dropped = len(ordered) - len(kept)
    return kept, (f"{dropped} slices are in the folder twice; read once",) if dropped else ()


def _rounding_mm(positions: np.ndarray, normal: np.ndarray) -> float:
    """How far rounding of positions (slices, 3) to 1, 0.1 or 0.01 mm may move a slice along the normal; else 0."""
    for unit_mm in (1.0, 0.1, 0.01):
        if np.abs(positions / unit_mm - np.rint(positions / unit_mm)).max() < 1e-4:
            return unit_mm * float(np.abs(normal).sum())
    return 0.0


def _shifts(
    first: Slice, offsets: np.ndarray, distances: np.ndarray, source: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    """In-plane shifts (slices, 2) in pixels against the first slice, zeros unless a gantry was tilted."""
    in_plane_mm = offsets @ first.directions.T  # (n, 2)
    reach = np.linalg.norm(in_plane_mm, axis=1)
    if reach.max() <= max(JITTER_MM, MAX_SHEAR * distances[-1]):
        return np.zeros_like(in_plane_mm), ()
    degrees = float(np.degrees(np.arctan2(reach.max(), distances[reach.argmax()])))
    if degrees > MAX_TILT_DEG:
        expected = f"slices may be shifted by a gantry tilt of at most {MAX_TILT_DEG:g} degrees"
        raise refuse(source, expected, f"{reach.max():.3g} mm, {degrees:.0f} degrees")
    warning = (
        f"slices are shifted by up to {reach.max():.3g} mm (gantry tilt of {degrees:.1f} degrees); "
        "resampled to a rectangular grid, on which masks are written"
    )
    # Rounded, or a shift of 1e-15 pixels would add a row.
    return np.round(in_plane_mm / first.spacing_mm, 6), (warning,)
