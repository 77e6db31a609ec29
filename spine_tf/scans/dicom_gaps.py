"""Decides from the places of slices along their normal on which even planes they lie.

Positions may be rounded, and one slice may be missing here and there. Everything else is said, or refused.
"""

from dataclasses import dataclass

import numpy as np

from spine_tf.scans.checks import refuse

EVEN_TOLERANCE = 0.05
"""A slice may lie this share of the slice distance off an even series before the series is resampled."""
MAX_ROUNDING = 0.25
"""Most that rounding may move a slice, as a share of the slice distance; past it its place is not known."""
MAX_GAP = 2.5
"""Largest gap, in median slice distances, that is bridged by interpolation: one missing slice, not two."""
HOLE = 1.5
"""From this many median slice distances on, a gap is a hole."""


@dataclass(frozen=True, eq=False)
class Planes:
    """Where slices lie along their normal, and the distance of the even grid that they are read on."""

    distances_mm: np.ndarray
    """(n,) ascending, from the first slice; multiples of the distance if only rounding or missing slices part them."""
    slice_distance_mm: float
    even: bool
    """Whether every place of the grid has its slice."""
    warnings: tuple[str, ...] = ()


def find_planes(distances_mm: np.ndarray, rounding_mm: float, source: str, damaged: tuple[str, ...] = ()) -> Planes:
    """Find the even grid of slices; its distance comes from the first and the last slice wherever slices fit into it.

    Args:
        distances_mm: (n,) float64, ascending from 0, two or more.
        rounding_mm: how far rounding may have moved a slice along the normal.
        source: the scan's name, for messages.
        damaged: files that may be slices of the series, as messages call them; a hole is then theirs.

    Raises:
        ScanError: two slices in one place; two slice distances; two interleaved stacks; a gap of more than MAX_GAP
            median slice distances; or a hole beside damaged files.

    Example:
        >>> rounded = np.round(0.625 * np.arange(113), 1)
        >>> planes = find_planes(rounded, 0.1, "scan")
        >>> planes.slice_distance_mm, planes.even
        (0.625, True)
    """
    gaps = np.diff(distances_mm)
    median = float(np.median(gaps))
    if gaps.min() < 1e-3:
        expected = "every slice must have its own position"
        raise refuse(source, expected, "two in one place with other pixels (several phases in one series?)")
    _check_one_distance(gaps, rounding_mm, source)
    if damaged and gaps.max() >= HOLE * median:
        received = f"a gap of {gaps.max():.3g} mm, and damaged files that may fill it: {', '.join(damaged)}"
        raise refuse(source, f"no slice may be missing from slices {median:.3g} mm apart", received)
    counts = np.maximum(np.rint(gaps / median), 1)
    places = np.concatenate([[0.0], np.cumsum(counts)])
    distance = float(distances_mm[-1] / places[-1])
    off_mm = np.abs(distances_mm - distance * places).max()
    fits = bool(off_mm <= max(EVEN_TOLERANCE * distance, min(rounding_mm, MAX_ROUNDING * distance) + 1e-6))
    if gaps.max() > MAX_GAP * median:
        expected = f"no gap may exceed {MAX_GAP:g} times the slice distance of {median:.3g} mm"
        raise refuse(source, expected, f"{gaps.max():.3g} mm, {'slices are missing' if fits else 'it is uneven'}")
    if fits and counts.max() == 1:
        return Planes(distances_mm, distance, True)
    if fits:
        distances_mm = distance * places
    else:
        distance = median
    warning = (
        f"slice distances vary from {gaps.min():.3g} to {gaps.max():.3g} mm; "
        f"resampled to {distance:.3g} mm, the grid on which masks are written"
    )
    return Planes(distances_mm, distance, False, (warning,))


def _check_one_distance(gaps: np.ndarray, rounding_mm: float, source: str) -> None:
    """Refuse thin slices followed by thick ones, and two stacks pushed into each other: no one distance is theirs."""
    low, high = gaps.min(), gaps.max()
    expected = "a series must have one slice distance"
    thick = gaps > np.sqrt(low * high)
    parts = gaps[thick], gaps[~thick]
    if high > MAX_GAP * low and _are_tight(parts, rounding_mm) and np.count_nonzero(np.diff(thick)) <= 2:
        said = " and ".join(f"{part.size} gaps of {np.median(part):.3g} mm" for part in parts[::-1])
        raise refuse(source, expected, f"two one after the other, {said}")
    alternate = gaps[::2], gaps[1::2]
    first, second = (np.median(part) for part in alternate) if gaps.size > 1 else (low, high)
    apart = abs(first - second)
    if apart > max(1.5 * rounding_mm, 0.1 * (first + second)) and _are_tight(alternate, rounding_mm):
        raise refuse(source, expected, f"{first:.3g} mm and {second:.3g} mm by turns, as of two interleaved stacks")


def _are_tight(parts: tuple[np.ndarray, np.ndarray], rounding_mm: float) -> bool:
    """Whether either part has two gaps or more, all alike."""
    return all(p.size > 1 and np.ptp(p) <= max(2 * rounding_mm, 2 * EVEN_TOLERANCE * np.median(p)) for p in parts)
