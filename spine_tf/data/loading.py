"""Reads a case from wherever it lies: files of its own, or a shard."""

import numpy as np

from spine_tf.data.cases import Case, read_case
from spine_tf.data.shards_read import load_from_shard
from spine_tf.scans import Volume


def load_case(case: Case) -> tuple[Volume, np.ndarray]:
    """Read a case: the scan, and its label map on the same voxels.

    Args:
        case: its `image` is a scan, or the shard that holds the case (`shards_read.shard_cases`).

    Returns:
        the volume, (x, y, z) int16 HU in RAS+ order, and the labels, (x, y, z) integers on the volume's axes: VerSe
        ids, or 1 for spine where the case comes from a shard.

    Raises:
        ScanError: there is no mask, either file is unusable, or they do not share a grid.
        ShardError: the shard does not hold the case as it was written.
    """
    return load_from_shard(case) if case.image.suffix == ".tfrecord" else read_case(case)
