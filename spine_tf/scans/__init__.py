"""Scans in and masks out: NIfTI files and DICOM folders to HU in RAS+ order, and back to the grid they came from."""

from pathlib import Path

from spine_tf.config import MEMORY_BUDGET_GIB
from spine_tf.scans.checks import ScanError, refuse
from spine_tf.scans.dicom import read_dicom
from spine_tf.scans.nifti import read_label_map, read_nifti, write_mask, write_probability
from spine_tf.scans.volume import Grid, Volume, describe_geometry, same_grid, volume_from_array

__all__ = [
    "Grid",
    "ScanError",
    "Volume",
    "describe_geometry",
    "read_label_map",
    "read_scan",
    "same_grid",
    "volume_from_array",
    "write_mask",
    "write_probability",
]


def read_scan(
    path: str | Path,
    *,
    series: str | None = None,
    assume_hu: bool = False,
    memory_budget_gib: float = MEMORY_BUDGET_GIB,
) -> Volume:
    """A CT as int16 HU (x, y, z) in RAS+ order, from a NIfTI file or a folder that holds a DICOM series.

    Args:
        series: SeriesInstanceUID to take from a DICOM folder; by default an original, axial CT series is preferred.
        assume_hu: take the values for HU whatever they look like.
        memory_budget_gib: refuse, before reading it, a scan that would need more (see `checks.WORKING_BYTES`).

    Raises:
        ScanError: the scan is refused; one line names it and says why.
    """
    path = Path(path)
    if path.is_dir():
        return read_dicom(path, series=series, assume_hu=assume_hu, memory_budget_gib=memory_budget_gib)
    if series is not None:
        raise refuse(path.name, "series chooses in a DICOM folder", f"a file and series={series!r}")
    return read_nifti(path, assume_hu=assume_hu, memory_budget_gib=memory_budget_gib)
