"""Reads DICOM series into volumes: a folder in, HU on the series' own grid out."""

import os
from pathlib import Path

import numpy as np

from spine_tf.config import MEMORY_BUDGET_GIB
from spine_tf.scans.checks import check_affine, check_extent, check_memory, check_shape
from spine_tf.scans.dicom_geometry import Stack, resample_stack, stack_slices
from spine_tf.scans.dicom_pixels import read_pixels
from spine_tf.scans.dicom_series import find_series
from spine_tf.scans.intensity import AIR_HU, INT16_MAX, to_hu
from spine_tf.scans.volume import Volume, canonical_volume, grid_from_affine

_READ_BYTES = 4
"""What a voxel costs while slices are read: int16, and room for one slice in float64."""


def read_dicom(
    folder: Path, *, series: str | None = None, assume_hu: bool = False, memory_budget_gib: float = MEMORY_BUDGET_GIB
) -> Volume:
    """Read the CT series of a folder as HU in RAS+ order.

    The grid is the series' own: columns, rows and slices in ascending order along the slice normal, DICOM's LPS turned
    into a RAS+ affine, qform and sform code 1. Slice distance comes from ImagePositionPatient of the first and the last
    slice. Only a tilted series, or one with uneven gaps, gets a grid of its own, and a warning that says so.
    RescaleSlope and RescaleIntercept are applied.

    Args:
        folder: searched with all that is below it, without hidden folders.
        series: SeriesInstanceUID; None prefers an original, axial series with a soft kernel (`dicom_rank.prefer`), and
            says in a warning which of several was taken, and why.
        assume_hu: take the values for HU whatever they look like.
        memory_budget_gib: refuse a series that needs more, before its pixels are read.

    Returns:
        A volume of int16 HU (x, y, z), its affine in mm.

    Raises:
        ScanError: no such CT series, a slice that cannot be read or contradicts the others, slices missing, or whatever
            `checks` refuses.
    """
    folder = Path(folder)
    # Not `resolve`: a folder that is a link has the link's name.
    source = Path(os.path.abspath(folder)).name
    found = find_series(folder, series, source)
    shape = (*found.slices[0].size, len(found.slices))
    check_shape(shape, source)
    check_memory(shape, _READ_BYTES, memory_budget_gib, source)
    stack = stack_slices(found, source)
    check_shape(stack.shape, source)
    check_memory(stack.shape, _READ_BYTES, memory_budget_gib, source)
    check_affine(stack.affine, source)
    check_extent(stack.shape, stack.affine, source)
    stored, above = _read_slices(stack, source)
    hu, hu_warnings = to_hu(stored, 1.0, 0.0, source, assume_hu)
    hu = resample_stack(hu, stack, AIR_HU)
    warnings = found.warnings
    if any(item.intercept is None for item in stack.slices):
        warnings += ("RescaleIntercept is missing; 0 is taken for it",)
    if above:
        warnings += (f"{above} voxels lie above {INT16_MAX} HU; set to {INT16_MAX}",)
    grid = grid_from_affine(stack.shape, stack.affine, source)
    return canonical_volume(hu, grid, warnings + stack.warnings + hu_warnings)


def _read_slices(stack: Stack, source: str) -> tuple[np.ndarray, int]:
    """HU as int16 (columns, rows, slices), and how many were too large for it."""
    hu = np.empty((*stack.slices[0].size, len(stack.slices)), np.int16, order="F")
    above = 0
    for k, item in enumerate(stack.slices):
        pixels = np.rint(read_pixels(item, source))  # (rows, columns)
        above += int(np.count_nonzero(pixels > INT16_MAX))
        hu[:, :, k] = np.clip(pixels, -INT16_MAX - 1, INT16_MAX).T
    return hu, above
