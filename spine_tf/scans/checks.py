"""What a scan must be to enter, and the one error that says why it may not.

Every limit is a named constant here; every refusal is one line that names the file and the reason.
"""

from math import prod

import numpy as np

from spine_tf.support.errors import ScanError

MIN_VOXELS = 8
"""Fewest voxels along an axis: a thinner slab holds no vertebra, and a view of it no picture."""
SPACING_RANGE_MM = (0.05, 20.0)
"""Voxel sizes outside are a wrong unit or a broken header: micro-CT ends below, summary slabs begin above."""
MAX_SHEAR = 1e-3
"""Largest cosine between two voxel axes. At 1e-3 a 300 mm scan is off by 0.3 mm; gantry tilt starts far above."""
MEMORY_BUDGET_GIB = 8.0
"""What a scan may need unless its reader is told otherwise; label maps always."""
WORKING_BYTES = 8
"""Bytes a voxel costs after reading: HU (int16), a probability map (float32), the mask and its stored copy (uint8)."""
MAX_NONFINITE_SHARE = 0.05
"""Share of NaN or infinite voxels up to which they are read as air."""
MIN_SPAN_HU = 300
"""Least distance between the 1st and 99th percentile: fat (-100) and spongy bone (200) alone are this far apart."""
EIGHT_BIT_SHARE = 0.999
"""Share of values in 0..255 from which a scan counts as an 8-bit picture."""
METAL_HU = 4000
"""HU above are metal; more than 1 % of them is a scale other than HU."""


def refuse(source: str, expected: str, received) -> ScanError:
    """The ScanError to raise, in the one form all refusals have; line breaks of foreign messages are flattened."""
    return ScanError(" ".join(f"{source}: {expected}. Received: {received}".split()))


def check_shape(shape: tuple[int, ...], source: str) -> tuple[tuple[int, int, int], tuple[str, ...]]:
    """The three axes of a declared shape, and a warning where trailing axes of length 1 were dropped.

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


def check_hu(hu: np.ndarray, source: str) -> tuple[str, ...]:
    """Refuse values (x, y, z) that cannot be Hounsfield units, judged on at most about two million voxels of a lattice.

    Returns:
        Warnings about values that are possible, but unlikely in a CT.

    Raises:
        ScanError: the 1st to 99th percentile spans less than MIN_SPAN_HU, or EIGHT_BIT_SHARE of them lie in 0..255.
    """
    stride = max(1, round((hu.size / 2e6) ** (1 / 3)))
    sample = hu[::stride, ::stride, ::stride]
    p1, p99 = np.percentile(sample, (1, 99))
    # The more telling message first: what lies in 0..255 fails the other test, too.
    if np.mean((sample >= 0) & (sample <= 255)) >= EIGHT_BIT_SHARE:
        expected = "values must be HU, not an 8-bit picture, unless assume_hu=True"
        raise refuse(source, expected, f"{EIGHT_BIT_SHARE:.1%} of the values in 0..255")
    if p99 - p1 < MIN_SPAN_HU:
        expected = f"values must be HU, spanning {MIN_SPAN_HU} from 1st to 99th percentile, unless assume_hu=True"
        raise refuse(source, expected, f"{p1:.0f} to {p99:.0f}")
    warnings = []
    if sample.min() >= 0:
        warnings.append(
            "no value is below 0 HU, though fat and air are: the intensities may be shifted or no CT at all"
        )
    if p99 > METAL_HU:
        warnings.append(f"more than 1 % of the values lie above {METAL_HU} HU: the intensities may not be HU")
    return tuple(warnings)
