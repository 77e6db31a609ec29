"""A folder with a DICOM series in, HU on the series' own grid out."""

from contextlib import contextmanager
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from spine_tf.scans.checks import MEMORY_BUDGET_GIB, check_affine, check_memory, check_shape, refuse
from spine_tf.scans.dicom_geometry import Stack, resample_stack, stack_slices
from spine_tf.scans.dicom_series import find_series, slice_reader
from spine_tf.scans.intensity import AIR_HU, INT16_MAX, to_hu
from spine_tf.scans.volume import Volume, canonical_volume, grid_from_affine

_READ_BYTES = 4
"""What SimpleITK needs for a pixel while it rescales a slice (int32)."""


def read_dicom(
    folder: Path, *, series: str | None = None, assume_hu: bool = False, memory_budget_gib: float = MEMORY_BUDGET_GIB
) -> Volume:
    """The CT series of a folder (searched below it, too) as int16 HU (x, y, z) in RAS+ order.

    The grid is the series' own: columns, rows and slices in ascending order along the slice normal, DICOM's LPS turned
    into a RAS+ affine, qform and sform code 1. Slice distance comes from ImagePositionPatient. Only an uneven or
    tilted series gets a grid of its own, and a warning that says so. RescaleSlope and RescaleIntercept are applied.

    Args:
        series: SeriesInstanceUID; None takes the CT series with the most slices and names it in a warning.

    Raises:
        ScanError: no such CT series, a slice that cannot be read, slices missing, or whatever `checks` refuses.
    """
    folder = Path(folder)
    source = folder.resolve().name
    with quiet():
        slices, warnings = find_series(folder, series, source)
        check_shape((*slices[0].size, len(slices)), source)
        stack = stack_slices(slices, source)
        check_shape(stack.shape, source)
        check_memory(stack.shape, _READ_BYTES, memory_budget_gib, source)
        check_affine(stack.affine, source)
        stored = _read_pixels(stack, source)
    hu, hu_warnings = to_hu(stored, 1.0, 0.0, source, assume_hu)
    hu = resample_stack(hu, stack, AIR_HU)
    if not all(s.rescaled for s in stack.slices):
        warnings += ("RescaleIntercept is missing; values are taken for HU as stored",)
    grid = grid_from_affine(stack.shape, stack.affine, source)
    return canonical_volume(hu, grid, warnings + stack.warnings + hu_warnings)


def _read_pixels(stack: Stack, source: str) -> np.ndarray:
    stored = np.empty((*stack.slices[0].size, len(stack.slices)), np.int16, order="F")  # (columns, rows, slices)
    for k, item in enumerate(stack.slices):
        try:
            image = slice_reader(item.path).Execute()
        except RuntimeError as error:
            raise refuse(source, "every slice of the series must be readable", f"{item.path.name}") from error
        pixels = sitk.GetArrayViewFromImage(image).reshape(item.size[::-1])  # (rows, columns)
        stored[:, :, k] = np.clip(np.rint(pixels), -INT16_MAX - 1, INT16_MAX).T
    return stored


@contextmanager
def quiet():
    """Silence ITK, which writes its notes on odd tags to the terminal from C++, tag values included."""
    shown = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(shown)
