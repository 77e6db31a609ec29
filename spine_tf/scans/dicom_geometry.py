"""Where the slices of a series lie, and how uneven gaps and gantry tilt become a rectangular grid."""

from dataclasses import dataclass
from math import ceil, floor

import numpy as np
from scipy import ndimage

from spine_tf.scans.checks import MAX_SHEAR, refuse
from spine_tf.scans.dicom_series import Slice

EVEN_TOLERANCE = 0.05
"""A slice may lie this share of the slice distance off an even series before the series is resampled."""
MAX_GAP = 2.5
"""Largest gap, in median slice distances, that is bridged by interpolation: one missing slice, not two."""
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


def stack_slices(slices: list[Slice], source: str) -> Stack:
    """Order slices by ImagePositionPatient along their normal (SliceThickness and file names are not asked).

    Raises:
        ScanError: two slices in one place, a gap of more than MAX_GAP median slice distances, or a shift beyond
            MAX_TILT_DEG.
    """
    normal = _normal(slices[0])
    ordered, warnings = _without_copies(sorted(slices, key=lambda s: float(s.position_mm @ normal)))
    if len(ordered) < 2:
        raise refuse(source, "a series must have at least two slices", len(ordered))
    offsets = np.array([s.position_mm for s in ordered]) - ordered[0].position_mm  # (n, 3)
    distances = offsets @ normal
    gaps = np.diff(distances)
    median = float(np.median(gaps))
    if gaps.min() < 1e-3:
        raise refuse(
            source, "every slice must have its own position", "two in one place (several phases in one series?)"
        )
    if gaps.max() > MAX_GAP * median:
        expected = f"no gap may exceed {MAX_GAP:g} times the slice distance of {median:.3g} mm"
        raise refuse(source, expected, f"{gaps.max():.3g} mm, slices are missing")
    slice_distance_mm = float(distances[-1] / (len(ordered) - 1))
    off_mm = np.abs(distances - slice_distance_mm * np.arange(len(ordered)))
    even = bool(off_mm.max() <= EVEN_TOLERANCE * slice_distance_mm)
    if not even:
        slice_distance_mm = median
        warnings += (
            f"slice distances vary from {gaps.min():.3g} to {gaps.max():.3g} mm; "
            f"resampled to {median:.3g} mm, the grid on which masks are written",
        )
    shifts, tilt_warnings = _shifts(ordered[0], offsets, distances, source)
    return Stack(ordered, distances, shifts, slice_distance_mm, even, warnings + tilt_warnings)


def resample_stack(hu: np.ndarray, stack: Stack, fill: int) -> np.ndarray:
    """HU (columns, rows, slices) int16 as read, linearly interpolated onto the stack's rectangular grid.

    Without tilt and uneven gaps the array itself is returned. Outside the slices the value is `fill`.
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


def _normal(item):
    normal = np.cross(*item.directions)
    return normal / max(np.linalg.norm(normal), 1e-12)


def _without_copies(ordered):
    kept, seen = [], set()
    for item in ordered:
        key = (item.instance, *item.position_mm)
        if not item.instance or key not in seen:
            kept.append(item)
        seen.add(key)
    dropped = len(ordered) - len(kept)
    return kept, (f"{dropped} slices are in the folder twice; read once",) if dropped else ()


def _shifts(first, offsets, distances, source):
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
