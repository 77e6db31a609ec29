"""Stored numbers to Hounsfield units (int16), and to labels."""

import numpy as np

from spine_tf.scans.checks import MAX_NONFINITE_SHARE, check_hu, refuse

AIR_HU = -1024
"""Lowest HU kept. Scanner padding (-2000, -3024) and noise below are set to it, as is what is not a number."""
PADDING_HU = -1500
"""Below this it is no noise, but what scanners write outside their field of view (-2000, -2048, -3024)."""
INT16_MAX = 32767


def to_hu(
    raw: np.ndarray, slope: float, intercept: float, source: str, assume_hu: bool = False
) -> tuple[np.ndarray, tuple[str, ...]]:
    """HU of a stored array: raw * slope + intercept, rounded to whole HU, clipped to [-1024, 32767].

    Args:
        raw: (i, j, k), any real dtype and byte order. Unscaled native int16 is clipped in place, not copied.
        assume_hu: take the values for HU whatever they look like.

    Returns:
        hu (i, j, k) int16, and warnings.

    Raises:
        ScanError: more than MAX_NONFINITE_SHARE of the voxels are NaN or infinite, or the values cannot be HU.
    """
    scaled = (slope, intercept) != (1.0, 0.0)
    if raw.dtype == np.dtype("=i2") and not scaled:
        hu, bad, above = raw, 0, 0
        below, lowest = int(np.count_nonzero(raw < AIR_HU)), int(raw.min())
        if below:
            np.maximum(raw, AIR_HU, out=raw)
    else:
        hu, bad, below, above, lowest = _convert(raw, slope, intercept)
    if bad > MAX_NONFINITE_SHARE * raw.size:
        expected = f"at most {MAX_NONFINITE_SHARE:.0%} of the voxels may be NaN or infinite"
        raise refuse(source, expected, f"{bad / raw.size:.1%}")
    warnings = []
    if raw.dtype.itemsize > 2:
        warnings.append(f"stored as {raw.dtype.name}; HU are kept as int16, rounded")
    if bad:
        warnings.append(f"{bad} voxels are NaN or infinite; read as {AIR_HU} HU")
    if below:
        what = "scanner padding" if lowest <= PADDING_HU else "noise"
        warnings.append(f"{below} voxels lie below {AIR_HU} HU (lowest {lowest:.0f}, {what}); set to {AIR_HU}")
    if above:
        warnings.append(f"{above} voxels lie above {INT16_MAX} HU; set to {INT16_MAX}")
    if not assume_hu:
        warnings += check_hu(hu, source)
    return hu, tuple(warnings)


def to_labels(raw: np.ndarray, slope: float, intercept: float, source: str) -> np.ndarray:
    """Labels (i, j, k) int16 of a stored array of any real dtype.

    Raises:
        ScanError: a value that is not a whole number in 0..32767.
    """
    if (slope, intercept) == (1.0, 0.0) and raw.dtype.kind == "u" and raw.max() <= INT16_MAX:
        return raw.astype(np.int16)
    labels = np.empty(raw.shape, np.int16, order="F")
    for k in range(raw.shape[2]):
        with np.errstate(over="ignore", invalid="ignore"):
            values = raw[:, :, k].astype(np.float64) * slope + intercept
        whole = np.rint(values)
        wrong = ~((np.abs(values - whole) < 1e-3) & (whole >= 0) & (whole <= INT16_MAX))
        if wrong.any():
            raise refuse(source, "a label map must hold whole numbers in 0..32767", f"{values[wrong][0]:g}")
        labels[:, :, k] = whole
    return labels


def _convert(raw, slope, intercept):
    # Slab by slab: a float64 copy of the whole scan would need four times its int16 size.
    hu = np.empty(raw.shape, np.int16, order="F")
    bad = below = above = 0
    lowest = np.inf
    for k in range(raw.shape[2]):
        with np.errstate(over="ignore", invalid="ignore"):
            slab = raw[:, :, k].astype(np.float64) * slope + intercept
        wrong = ~np.isfinite(slab)
        if wrong.any():
            bad += int(np.count_nonzero(wrong))
            slab[wrong] = AIR_HU
        np.rint(slab, out=slab)
        below += int(np.count_nonzero(slab < AIR_HU))
        above += int(np.count_nonzero(slab > INT16_MAX))
        lowest = min(lowest, slab.min())
        hu[:, :, k] = np.clip(slab, AIR_HU, INT16_MAX)
    return hu, bad, below, above, lowest
