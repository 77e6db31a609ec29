"""Describes a case, one scan with its subject and its files, and reads its image and mask onto one grid.

A mask is a label map with VerSe ids. Image and mask are compared in RAS+ order, whatever axes their files are stored
along.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spine_tf.scans import ScanError, Volume, read_label_map, read_scan, same_grid
from spine_tf.scans.labels import C1, L5, L6, spine_mask


@dataclass(frozen=True)
class Case:
    """Name one scan, its subject and its files. Splits are by `subject`: all scans of a patient have the same one.

    Example:
        >>> case = Case("sub-verse004", "verse004", Path("sub-verse004_ct.nii.gz"))
        >>> case.mask is None, case.complete
        (True, True)
    """

    case_id: str
    """The image's file name without its ending and without VerSe's `_ct`; predictions are named after it."""
    subject: str
    image: Path
    """A NIfTI file, a folder with a DICOM series, or the shard (`data.shards_write`) that holds the case."""
    mask: Path | None = None
    """A label map with VerSe ids on the image's grid."""
    centroids: Path | None = None
    source: str = ""
    """Where the scan and its truth come from, for tables and reports."""
    subset: str | None = None
    """"training", "validation" or "test" where the data set says so itself."""
    complete: bool = True
    """False: vertebrae that the scan's border cuts are not annotated, as in VerSe."""


def unlabelled_border(case: Case, labels: np.ndarray) -> np.ndarray:
    """Find the voxels where a case's truth does not tell spine from background.

    In a case that is not `complete` these are the axial planes above and below the annotated vertebrae. A vertebra that
    the scan's border cuts may stand there without a label. Nothing is unknown above C1, nor below L5 or L6, where the
    sacrum follows. (Below L4 it is unknown, although L4 is the last lumbar vertebra of a few people.)

    Args:
        case: only its `complete` is used.
        labels: (x, y, z) integers, VerSe ids in RAS+ order.

    Returns:
        (x, y, z) bool, True where the truth is unknown.

    Example:
        >>> labels = np.zeros((1, 1, 5), np.int16)
        >>> labels[0, 0, 1:4] = 24, 23, 22  # L5, L4, L3
        >>> unlabelled_border(Case("a", "a", Path("a.nii.gz"), complete=False), labels).ravel().tolist()
        [False, False, False, False, True]
    """
    unknown = np.zeros(labels.shape, bool)
    planes = np.flatnonzero(spine_mask(labels).any(axis=(0, 1)))
    if case.complete or not len(planes):
        return unknown
    present = np.unique(labels[spine_mask(labels)])
    if C1 not in present:
        unknown[:, :, planes[-1] + 1 :] = True
    if not np.isin(present, (L5, L6)).any():
        unknown[:, :, : planes[0]] = True
    return unknown


def read_case(case: Case) -> tuple[Volume, np.ndarray]:
    """Read a case from its image and mask files.

    A mask that is stored along other axes than its image is turned (one pair of VerSe'19 needs it). A mask whose voxels
    lie elsewhere is refused.

    Args:
        case: its `image` is a NIfTI file or a DICOM folder, its `mask` a NIfTI file.

    Returns:
        the volume, (x, y, z) int16 HU in RAS+ order, and the labels, (x, y, z) int16 VerSe ids on the same voxels.

    Raises:
        ScanError: there is no mask, either file is unusable, or they do not share a grid (both grids are named).
    """
    if case.mask is None:
        raise ScanError(f"{case.case_id}: the case must have a mask. Received: mask=None")
    volume, labels = read_scan(case.image), read_label_map(case.mask)
    if not same_grid(volume, labels):
        raise ScanError(
            f"{case.case_id}: image and mask must share a grid. "
            f"Received: image {grid_text(volume)}; mask {grid_text(labels)}"
        )
    return volume, labels.array


def grid_text(volume: Volume) -> str:
    """Describe a scan's grid in one line, for messages.

    The line names the file, its stored shape and orientation, its voxel size in mm and where the first voxel lies in
    RAS+ mm.

    Example:
        >>> from spine_tf.scans import volume_from_array
        >>> grid_text(volume_from_array(np.zeros((4, 5, 6), np.int16), np.diag([1, 1, 2.5, 1]), "a.nii.gz"))
        'a.nii.gz (4 x 5 x 6 RAS, 1 x 1 x 2.5 mm, RAS+ from (0.00, 0.00, 0.00) mm)'
    """
    grid = volume.grid
    shape = " x ".join(str(n) for n in grid.shape)
    size = " x ".join(f"{np.linalg.norm(axis):.4g}" for axis in grid.affine[:3, :3].T)
    origin = ", ".join(f"{x:.2f}" for x in volume.affine[:3, 3])
    return f"{grid.source} ({shape} {grid.orientation}, {size} mm, RAS+ from ({origin}) mm)"
