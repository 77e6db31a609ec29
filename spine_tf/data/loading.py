"""Reads a case from wherever it lies: from files of its own or from a shard.

It stands apart from `cases` because shards are made of cases.
"""

import numpy as np

from spine_tf.data.cases import Case, read_case
from spine_tf.data.shards_read import load_from_shard
from spine_tf.scans import Volume


def load_case(case: Case) -> tuple[Volume, np.ndarray]:
    """Read the scan of a case and its label map on the same voxels.

    Args:
        case: its `image` is a scan, or the shard that holds the case (`shards_read.shard_cases`).

    Returns:
        the volume, (x, y, z) int16 HU in RAS+ order, and the labels, (x, y, z) integers on the volume's axes. Labels
        are VerSe ids; from a shard they are 1 for spine.

    Raises:
        ScanError: there is no mask, either file is unusable, or they do not share a grid.
        ShardError: the shard does not hold the case as it was written.

    Example:
        >>> import nibabel as nib
        >>> from pathlib import Path
        >>> for name, array in (("ct", np.arange(-256, 256)), ("mask", np.full(512, 20))):
        ...     nib.save(nib.Nifti1Image(array.reshape(8, 8, 8).astype(np.int16), np.eye(4)), f"{name}.nii")
        >>> volume, labels = load_case(Case("a", "a", Path("ct.nii"), Path("mask.nii")))
        >>> volume.shape, labels[0, 0, 0].item()
        ((8, 8, 8), 20)
    """
    return load_from_shard(case) if case.image.suffix == ".tfrecord" else read_case(case)
