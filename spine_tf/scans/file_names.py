"""Tells NIfTI files by their names, in small or capital letters."""

import os
from pathlib import Path

NIFTI_SUFFIXES = (".nii.gz", ".nii")


def is_nifti(path: str | Path) -> bool:
    """Tell whether a path has the name of a NIfTI file; nothing is opened.

    Example:
        >>> is_nifti("scans/UPPER_ct.NII.GZ"), is_nifti("scans/notes.txt")
        (True, False)
    """
    return _split(path)[1] != ""


def nifti_stem(path: str | Path) -> str:
    """Give the name of a file without .nii or .nii.gz; a link's own name, not its target's.

    Example:
        >>> nifti_stem("scans/UPPER_ct.NII.GZ")
        'UPPER_ct'
    """
    return _split(path)[0]


def _split(path: str | Path) -> tuple[str, str]:
    """Name without suffix, and suffix: as written, or empty."""
    # Made absolute, "." and "folder/.." have a name; `resolve` would follow the links of git-annex to their keys.
    name = os.path.basename(os.path.abspath(path))
    for suffix in NIFTI_SUFFIXES:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)], name[-len(suffix) :]
    return name, ""
