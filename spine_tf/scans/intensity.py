"""Turns stored numbers into Hounsfield units (int16), or into labels."""

import numpy as np

from spine_tf.scans.checks import refuse
from spine_tf.scans.hounsfield import PADDING_HU, check_hu, find_offset

AIR_HU = -1024
"""Lowest HU kept. Scanner padding (-2000, -3024) and noise below are set to it, as is what is not a number."""
INT16_MAX = 32767
MAX_NONFINITE_SHARE = 0.75
"""Share of NaN or infinite voxels up to which they are read as air: a turned crop may hold as many around it."""
MAX_HOLE_SHARE = 0.001
"""The same inside the field of view: single voxels, not a slice."""
SAMPLE_VOXELS = 2e6
"""About as many voxels, on a lattice, show whether values are HU."""


def to_hu(
    raw: np.ndarray, slope: float, intercept: float, source: str, assume_hu: bool = False
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Turn a stored array into HU: raw * slope + intercept, rounded to whole HU, clipped to [-1024, 32767].

    An offset that was forgotten (`find_offset`) is taken off, with a warning. NaN and infinity around the field of
    view become air, with a warning.

    Args:
        raw: (i, j, k), any real dtype and byte order. Unscaled native int16 is clipped in place, not copied.
        slope: what a stored number is multiplied by.
        intercept: what is added then.
        source: name of the file or folder.
        assume_hu: take the values for HU whatever they look like.

    Returns:
        hu (i, j, k) int16, and warnings.

    Raises:
        ScanError: the values cannot be HU (`check_hu`), more than MAX_NONFINITE_SHARE of them are NaN or infinite, or
            more than MAX_HOLE_SHARE inside the field of view.

    Example:
        >>> raw = np.array([[[0, 1024, 1064]]], np.uint16)
        >>> to_hu(raw, 1.0, -1024.0, "scan.nii", assume_hu=True)
        (array([[[-1024,     0,    40]]], dtype=int16), ())
    """
    warnings = []
    if not assume_hu:
        sample = _finite_sample(raw, slope, intercept, source)
        offset = find_offset(sample)
        warnings += check_hu(sample - offset, source)
        if offset:
            intercept -= offset
            warnings.append(f"air, fat and muscle lie {offset} too high for HU; {offset} was taken off every value")
    if raw.dtype == np.dtype("=i2") and (slope, intercept) == (1.0, 0.0):
        hu, bad, above = raw, 0, 0
        below, lowest = int(np.count_nonzero(raw < AIR_HU)), int(raw.min())
        if below:
            np.maximum(raw, AIR_HU, out=raw)
    else:
        hu, bad, below, above, lowest = _convert(raw, slope, intercept, source)
    if raw.dtype.itemsize > 2:
        warnings.append(f"stored as {raw.dtype.name}; HU are kept as int16, rounded")
    if bad:
        warnings.append(f"{bad} voxels are NaN or infinite; read as {AIR_HU} HU")
    if below:
        what = "scanner padding" if lowest <= PADDING_HU else "noise"
        warnings.append(f"{below} voxels lie below {AIR_HU} HU (lowest {lowest:.0f}, {what}); set to {AIR_HU}")
    if above:
        warnings.append(f"{above} voxels lie above {INT16_MAX} HU; set to {INT16_MAX}")
    return hu, tuple(warnings)


def to_labels(raw: np.ndarray, slope: float, intercept: float, source: str) -> np.ndarray:
    """Turn a stored array (i, j, k) of any real dtype into labels, int16; the arguments are those of `to_hu`.

    Raises:
        ScanError: a value that is not a whole number in 0..32767.

    Example:
        >>> to_labels(np.array([[[0.0, 20.0]]]), 1.0, 0.0, "mask.nii")
        array([[[ 0, 20]]], dtype=int16)
    """
    if (slope, intercept) == (1.0, 0.0) and raw.dtype.kind == "u" and raw.max() <= INT16_MAX:
        return raw.astype(np.int16)
    labels = np.empty(raw.shape, np.int16, order="F")
    for k in range(raw.shape[2]):
        values = _scaled(raw[:, :, k], slope, intercept)
        whole = np.rint(values)
        with np.errstate(invalid="ignore"):
            wrong = ~((np.abs(values - whole) < 1e-3) & (whole >= 0) & (whole <= INT16_MAX))
        if wrong.any():
            raise refuse(source, "a label map must hold whole numbers in 0..32767", f"{values[wrong][0]:g}")
        labels[:, :, k] = whole
    return labels


def _scaled(raw, slope, intercept):
    with np.errstate(over="ignore", invalid="ignore"):
        return raw.astype(np.float64) * slope + intercept


def _finite_sample(raw, slope, intercept, source):
    """The finite values of a lattice of about SAMPLE_VOXELS, in one axis."""
    stride = max(1, round((raw.size / SAMPLE_VOXELS) ** (1 / 3)))
    sample = _scaled(raw[::stride, ::stride, ::stride], slope, intercept)
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        raise refuse(source, "voxels must be numbers", "NaN or infinity alone")
    return sample


def _convert(raw, slope, intercept, source):
    # Slab by slab: a float64 copy of the whole scan would need four times its int16 size.
    hu = np.empty(raw.shape, np.int16, order="F")
    bad = None
    below = above = 0
    lowest = np.inf
    for k in range(raw.shape[2]):
        slab = _scaled(raw[:, :, k], slope, intercept)
        wrong = ~np.isfinite(slab)
        if wrong.any():
            bad = np.zeros(raw.shape, bool, order="F") if bad is None else bad
            bad[:, :, k] = wrong
            slab[wrong] = AIR_HU
        np.rint(slab, out=slab)
        below += int(np.count_nonzero(slab < AIR_HU))
        above += int(np.count_nonzero(slab > INT16_MAX))
        lowest = min(lowest, slab.min())
        hu[:, :, k] = np.clip(slab, AIR_HU, INT16_MAX)
    return hu, 0 if bad is None else _count_outside(bad, source), below, above, lowest


def _count_outside(bad, source):
    """Count the voxels that are no numbers; a ScanError where they are not outside a field of view."""
    if bad.mean() > MAX_NONFINITE_SHARE:
        expected = f"at most {MAX_NONFINITE_SHARE:.0%} of the voxels may be NaN or infinite"
        raise refuse(source, expected, f"{bad.mean():.1%}")
    # A field of view is convex: no line along an axis leaves it and comes back.
    hole = np.zeros_like(bad)
    for axis in range(3):
        good = np.moveaxis(~bad, axis, 0)
        enclosed = np.logical_or.accumulate(good) & np.logical_or.accumulate(good[::-1])[::-1] & ~good
        hole |= np.moveaxis(enclosed, 0, axis)
    if hole.mean() > MAX_HOLE_SHARE:
        expected = f"at most {MAX_HOLE_SHARE:.1%} of the voxels may be NaN or infinite inside the field of view"
        raise refuse(source, expected, f"{hole.mean():.1%}")
    return int(bad.sum())
