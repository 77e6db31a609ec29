"""Checks what a scan must be to enter: its shape, its size in memory and its grid.

Every limit is a named constant here. Every refusal is a ScanError of one line that names the file and the reason.
What its values must be is in `hounsfield`.
"""

from math import prod

import numpy as np

from spine_tf.support.errors import ScanError

MIN_VOXELS = 8
"""Fewest voxels along an axis: a thinner slab holds no vertebra, and a view of it no picture."""
SPACING_RANGE_MM = (0.05, 20.0)
"""Voxel sizes outside are a wrong unit or a broken header: micro-CT ends below, summary slabs begin above."""
MAX_EXTENT_MM = 2500.0
"""Longest side of a scan: a whole body on its table."""
MAX_VOLUME_M3 = 2.5
"""Largest scan: a body's length in a field of view of 1 m. Without a bound, coarse voxels mean thousands of tiles."""
MAX_DISTANCE_MM = 5000.0
"""Farthest that a voxel may lie from the origin along an axis: no table travels farther."""
MAX_SHEAR = 1e-3
"""Largest cosine between two voxel axes. At 1e-3 a 300 mm scan is off by 0.3 mm; gantry tilt starts far above."""
WORKING_BYTES = 8
"""Bytes a voxel costs after reading: HU (int16), a probability map (float32), the mask and its stored copy (uint8)."""


def refuse(source: str, expected: str, received) -> ScanError:
    """Make the ScanError to raise, in the one form that all refusals have; line breaks in it are flattened.

    Args:
        source: name of the file or folder.
        expected: what it must be.
        received: what it is; anything with a text form.

    Example:
        >>> raise refuse("scan.nii", "it must be whole", "half")
        Traceback (most recent call last):
        spine_tf.support.errors.ScanError: scan.nii: it must be whole. Received: half
    """
    return ScanError(" ".join(f"{source}: {expected}. Received: {received}".split()))


def check_shape(shape: tuple[int, ...], source: str) -> tuple[tuple[int, int, int], tuple[str, ...]]:
    """Check a declared shape, and drop trailing axes of length 1.

    Returns:
        The three axes, and a warning where axes were dropped.

    Raises:
        ScanError: not three axes (a time series, a single slice), or fewer than MIN_VOXELS along one of them.
    """
    warnings = ()
    if len(shape) > 3 and all(n == 1 for n in shape[3:]):
        warnings = (f"stored with {len(shape)} axes; the trailing ones have length 1 and were dropped",)
        shape = shape[:3]
    if len(shape) != 3:
        raise refuse(source, "a scan must have three axes", f"shape {tuple(shape)}")
    if min(shape) < MIN_VOXELS:
        raise refuse(source, f"a scan must have at least {MIN_VOXELS} voxels along every axis", f"shape {tuple(shape)}")
    return tuple(int(n) for n in shape), warnings


def check_memory(shape: tuple[int, ...], itemsize: int, memory_budget_gib: float, source: str) -> None:
    """Refuse a declared size whose voxels, as stored and with WORKING_BYTES each, exceed the budget in GiB.

    Args:
        shape: voxels along each axis.
        itemsize: bytes of a stored voxel.

    Raises:
        ScanError: the budget does not suffice.
    """
    needed_gib = prod(int(n) for n in shape) * (itemsize + WORKING_BYTES) / 2**30
    if needed_gib > memory_budget_gib:
        expected = f"the scan must fit memory_budget_gib={memory_budget_gib:g}"
        raise refuse(source, expected, f"shape {tuple(shape)}, which needs {needed_gib:.1f} GiB")


def check_affine(affine: np.ndarray, source: str) -> None:
    """Refuse an affine (4, 4) in mm that places no rectangular grid: rotation is welcome, shear is not.

    Raises:
        ScanError: not finite, singular, voxel sizes outside SPACING_RANGE_MM, or axes not at right angles (MAX_SHEAR).
    """
    if not np.isfinite(affine).all():
        raise refuse(source, "the affine must be finite", f"{np.asarray(affine)[:3].tolist()}")
    axes = affine[:3, :3]
    spacing = np.linalg.norm(axes, axis=0)
    low, high = SPACING_RANGE_MM
    if not ((spacing >= low) & (spacing <= high)).all():
        expected = f"voxel sizes must lie in {low:g} to {high:g} mm"
        raise refuse(source, expected, " x ".join(f"{s:.4g}" for s in spacing) + " mm")
    units = axes / spacing
    if abs(np.linalg.det(units)) < 0.5:
        raise refuse(source, "the affine must be invertible", f"{affine[:3].tolist()}")
    shear = np.abs(units.T @ units - np.eye(3)).max()
    if shear > MAX_SHEAR:
        degrees = np.degrees(np.arcsin(min(shear, 1.0)))
        raise refuse(source, "the voxel axes must be at right angles", f"axes sheared by {degrees:.2f} degrees")


def check_extent(shape: tuple[int, int, int], affine: np.ndarray, source: str) -> None:
    """Refuse a grid that no scan of a human body has; its affine (4, 4) in mm is one that `check_affine` took.

    Raises:
        ScanError: a side longer than MAX_EXTENT_MM, a volume above MAX_VOLUME_M3, or a corner farther than
            MAX_DISTANCE_MM from the origin.
    """
    sides = np.array(shape) * np.linalg.norm(affine[:3, :3], axis=0)
    if sides.max() > MAX_EXTENT_MM or sides.prod() > MAX_VOLUME_M3 * 1e9:
        expected = f"a scan must measure at most {MAX_EXTENT_MM:g} mm along an axis, and {MAX_VOLUME_M3:g} cubic metres"
        raise refuse(source, expected, " x ".join(f"{side:.0f}" for side in sides) + " mm")
    corners = np.array(list(np.ndindex(2, 2, 2))) * (np.array(shape) - 1) @ affine[:3, :3].T + affine[:3, 3]
    farthest = np.abs(corners).max()
    if farthest > MAX_DISTANCE_MM:
        expected = f"a scan must lie within {MAX_DISTANCE_MM:g} mm of the origin"
        raise refuse(source, expected, f"a corner at {farthest:.4g} mm")
