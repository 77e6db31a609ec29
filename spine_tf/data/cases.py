"""A case: one scan with its subject, its image and, where it is known, its mask; and how the two are read together."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spine_tf.scans import ScanError, Volume, read_label_map, read_scan, same_grid
from spine_tf.scans.labels import C1, L5, L6, spine_mask


@dataclass(frozen=True)
class Case:
    """One scan. Splits are by `subject`: all scans of a patient have the same one."""

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
    """Where a case's truth does not tell spine from background, bool in the shape of `labels` (x, y, z) in RAS+ order.

    In a case that is not `complete`, the planes above the first and below the last annotated vertebra: a vertebra
    stands there that the border cuts, unless the annotation ends with C1 or with a lumbar vertebra on the sacrum (L5,
    L6, or L4 in the few who have no L5: too few to leave the sacrum of the others out).
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
    """Read a case from its image and mask files: the scan, and its label map on the same voxels.

    The two are compared in RAS+ order, by where their voxels lie: a mask that is stored along other axes than its image
    (one pair of VerSe'19 is) is turned, one that lies elsewhere is refused.

    Returns:
        the volume, (x, y, z) int16 HU in RAS+ order, and the labels, (x, y, z) int16 on the volume's axes.

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
    """A scan's grid in one line for messages: file, stored shape and orientation, voxel size, first voxel in RAS+."""
    grid = volume.grid
    shape = " x ".join(str(n) for n in grid.shape)
    size = " x ".join(f"{np.linalg.norm(axis):.4g}" for axis in grid.affine[:3, :3].T)
    origin = ", ".join(f"{x:.2f}" for x in volume.affine[:3, 3])
    return f"{grid.source} ({shape} {grid.orientation}, {size} mm, RAS+ from ({origin}) mm)"
