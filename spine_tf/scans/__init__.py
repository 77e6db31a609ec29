"""Reads scans from NIfTI files and DICOM folders into HU in RAS+ order, and writes masks back on their own grid.

A scan that cannot be trusted is refused by a ScanError of one line; what was odd and handled becomes a warning.
"""

from pathlib import Path

from spine_tf.config import MEMORY_BUDGET_GIB
from spine_tf.scans.checks import ScanError, refuse
from spine_tf.scans.dicom import read_dicom
from spine_tf.scans.file_names import is_nifti, nifti_stem
from spine_tf.scans.nifti import read_label_map, read_nifti, write_mask, write_probability
from spine_tf.scans.volume import Grid, Volume, describe_geometry, same_grid, volume_from_array

__all__ = [
    "Grid",
    "ScanError",
    "Volume",
    "describe_geometry",
    "is_nifti",
    "nifti_stem",
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
    """Read a CT from a NIfTI file, or from a folder that holds a DICOM series.

    Args:
        path: the file or folder.
        series: SeriesInstanceUID to take from a DICOM folder; by default an original, axial CT series is preferred.
        assume_hu: take the values for HU whatever they look like: nothing is refused for them, no offset taken off.
        memory_budget_gib: refuse, before reading it, a scan that would need more (see `checks.WORKING_BYTES`).

    Returns:
        HU, int16 (x, y, z) in RAS+ order, with the grid it was stored on and warnings.

    Raises:
        ScanError: the scan is refused; one line names it and says why.

    Example:
        >>> import nibabel as nib, numpy as np
        >>> hu = np.random.default_rng(0).integers(-1000, 1000, (8, 9, 10)).astype(np.int16)
        >>> nib.Nifti1Image(hu, np.diag([0.8, 0.8, 3, 1])).to_filename("scan.nii.gz")
        >>> read_scan("scan.nii.gz").shape
        (8, 9, 10)
    """
    path = Path(path)
    if path.is_dir():
        return read_dicom(path, series=series, assume_hu=assume_hu, memory_budget_gib=memory_budget_gib)
    if series is not None:
        raise refuse(path.name, "series chooses in a DICOM folder", f"a file and series={series!r}")
    return read_nifti(path, assume_hu=assume_hu, memory_budget_gib=memory_budget_gib)
