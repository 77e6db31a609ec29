"""Refuses scans that no human body fills, before they cost hours.

A scan of 128 voxels of 20 mm a side fits every memory, and is 6,859 tiles of the shipped network.
"""

from spine_tf.config import PreprocessSpec
from spine_tf.scans import Volume
from spine_tf.scans.checks import refuse
from spine_tf.views.slices import n_positions
from spine_tf.views.tiles import tile_axes, tile_count

MAX_TRIPLETS = 40_000
"""Of one scan. A body of 2000 x 600 x 600 mm needs 29,000 of the shipped network, some 20 minutes on two cores."""

MAX_AXIS = 8192
"""Voxels along an axis: 2 m of slices of 0.25 mm. What resizes an axis grows with the square of its length."""


def check_work(volume: Volume, spec: PreprocessSpec, batch_size: int) -> None:
    """Refuse a scan that would take hours, or memory that grows with the square of an axis.

    Raises:
        ScanError: more voxels along an axis than `MAX_AXIS`, or more triplets than `MAX_TRIPLETS`.
    """
    received = f"shape {volume.shape} of {' x '.join(f'{mm:.3g}' for mm in volume.spacing_mm)} mm"
    if max(volume.shape) > MAX_AXIS:
        raise refuse(volume.grid.source, f"a scan must have at most {MAX_AXIS} voxels along every axis", received)
    triplets = count_triplets(volume.shape, volume.spacing_mm, spec, batch_size)
    if triplets > MAX_TRIPLETS:
        expected = f"a scan must need at most {MAX_TRIPLETS} triplets of the network, no more than a human body does"
        raise refuse(volume.grid.source, expected, f"{triplets}, {received}")


def count_triplets(shape: tuple[int, int, int], spacing_mm, spec: PreprocessSpec, batch_size: int) -> int:
    """Count the triplets of a whole volume: tiles times positions, which are filled up to whole batches.

    Args:
        shape: (x, y, z) voxels.
        spacing_mm: voxel size.
        spec: the network's pre-processing; boxes and coarse to fine, which can only lower the count, are not used.
        batch_size: triplets at once.
    """
    axes = tile_axes(shape, spacing_mm, None if spec.pixel_mm is None else spec.pixel_mm * spec.image_size)
    tile = tuple(int(side) for _, side, _ in axes)
    positions = int(n_positions(tile, spec, spacing_mm, spec.pixel_mm))
    return tile_count(axes) * -(-positions // batch_size) * batch_size
