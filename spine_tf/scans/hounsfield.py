"""Judges by their histogram whether values are Hounsfield units, and finds an offset that was forgotten.

Scanners store HU + 1024 as unsigned numbers and say so in RescaleIntercept; converters lose it. Air, lung, fat, muscle
and bone lie at known HU, so that the histogram of a CT tells its offset. One value counts for at most MAX_SHARE of it,
since padding and clipping pile up in single values, while tissue spreads.
"""

import numpy as np

from spine_tf.scans.checks import refuse

OFFSETS_HU = (1000, 1024, 2048, 8192, 32768)
"""What is added to HU so that no number is negative: air or padding at 0, or a range of 12, 14 or 16 bits."""
TISSUES = (
    (0.10, -1000, 60),
    (0.20, -860, 120),
    (0.05, -500, 250),
    (0.24, -101, 31),
    (0.29, 50, 20),
    (0.05, 220, 90),
    (0.04, 600, 350),
)
"""A typical CT of the trunk, as normal distributions (share, mean HU, deviation HU): air, lung, borders, fat, muscle,
spongy bone, cortical bone. Chosen so that thirty-three copies of eleven real CTs, as they are, + 1000 and + 1024, each
have the right offset as the likeliest."""
FLOOR = 1e-6
"""Density of what is none of these tissues."""
LOWEST_HU = -1040
"""The 12-bit range ends at -1024, and interpolation overshoots it a little."""
BELOW_LOWEST = 0.05
"""What a value below LOWEST_HU costs an offset, in nats: enough to decide between 1000 and 1024, which are close."""
MIN_LIKELIHOOD = -8.5
"""Mean log density of a CT at its right offset, in nats, at least; real ones have -7.5 to -6.6."""
MIN_GAIN = 1.0
"""By how many nats a voxel an offset must be likelier than none; real shifted scans gain 1.0 to 4."""
OTHER_OFFSETS_HU = range(-1000, 3001, 50)
"""Offsets that are too coarse to be taken off, but tell that there is one."""
OTHER_GAIN = 2.0
"""From how many nats on they do: real scans gain 0.0, those + 500 HU more than 2.1."""
FAT_HU = -50
"""Fat, lung and air lie below."""
USUAL_FAT_SHARE = 0.10
"""Share of values below FAT_HU from which a scan is not shifted; real scans have 0.2 and more."""
MIN_FAT_SHARE = 0.02
"""Share of values below FAT_HU under which a scan is no CT in HU."""
MIN_SPAN_HU = 300
"""Least distance between the 1st and 99th percentile: fat (-100) and spongy bone (200) alone are this far apart."""
EIGHT_BIT_SHARE = 0.999
"""Share of values in 0..255 from which a scan counts as an 8-bit picture."""
PADDING_HU = -1500
"""Below this it is no noise, but what scanners write outside their field of view (-2000, -2048, -3024)."""
METAL_HU = 4000
"""HU above are metal; more than 1 % of them is unlikely."""
MAX_IMPOSSIBLE_SHARE = 0.05
"""Largest share of values above METAL_HU, or of several ones below PADDING_HU; more of them are on another scale."""
MAX_SHARE = 0.02
"""What one value counts for at most; tissue holds 0.01 in one HU."""


def find_offset(sample: np.ndarray) -> int:
    """Find the offset that was added to the HU of a CT.

    Args:
        sample: finite values, of any shape and real dtype; at least one.

    Returns:
        One of OFFSETS_HU, or 0 where none is clearly likelier than no offset.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> hu = np.concatenate([rng.normal(mean, 20, 1000) for mean in (-1000, -100, 50)])
        >>> find_offset(hu), find_offset(hu + 1024)
        (0, 1024)
    """
    values, shares = _histogram(sample)
    if shares[values < FAT_HU].sum() >= USUAL_FAT_SHARE:
        return 0
    none, *found = (_likelihood(values - offset, shares) for offset in (0, *OFFSETS_HU))
    best = int(np.argmax(found))
    return OFFSETS_HU[best] if found[best] >= max(none + MIN_GAIN, MIN_LIKELIHOOD) else 0


def check_hu(sample: np.ndarray, source: str) -> tuple[str, ...]:
    """Refuse values that cannot be Hounsfield units.

    Args:
        sample: finite values, of any shape and real dtype; at least one.
        source: name of the file or folder.

    Returns:
        Warnings about values that are possible, but unlikely in a CT.

    Raises:
        ScanError: EIGHT_BIT_SHARE of the values lie in 0..255, they span less than MIN_SPAN_HU from the 1st to the
            99th percentile, less than MIN_FAT_SHARE lies below FAT_HU, or more than MAX_IMPOSSIBLE_SHARE below
            PADDING_HU or above METAL_HU, or they look like HU with an offset that is not known to the unit.

    Example:
        >>> check_hu(np.arange(-1000, 1000), "scan.nii")
        ()
    """
    # The more telling message first: what lies in 0..255 fails other tests, too.
    if np.mean((sample >= 0) & (sample <= 255)) >= EIGHT_BIT_SHARE:
        expected = "values must be HU, not an 8-bit picture, unless assume_hu=True"
        raise refuse(source, expected, f"{EIGHT_BIT_SHARE:.1%} of the values in 0..255")
    p1, p99 = np.percentile(sample, (1, 99))
    if p99 - p1 < MIN_SPAN_HU:
        expected = f"values must be HU, spanning {MIN_SPAN_HU} from 1st to 99th percentile, unless assume_hu=True"
        raise refuse(source, expected, f"{p1:.0f} to {p99:.0f}")
    fat = np.mean(sample < FAT_HU)
    if fat < MIN_FAT_SHARE:
        expected = (
            f"values must be HU, {MIN_FAT_SHARE:.0%} of them below {FAT_HU} as fat and air are, unless assume_hu=True"
        )
        raise refuse(source, expected, f"{fat:.2%}, {p1:.0f} to {p99:.0f}, and no usual offset explains them")
    values, shares = _histogram(sample)
    low, metal = shares[values < PADDING_HU].sum(), np.mean(sample > METAL_HU)
    if max(low, metal) > MAX_IMPOSSIBLE_SHARE:
        expected = f"values must be HU: {PADDING_HU} to {METAL_HU}, but for padding and metal, unless assume_hu=True"
        raise refuse(source, expected, f"{low:.1%} below and {metal:.1%} above")
    others = [_likelihood(values - offset, shares) for offset in OTHER_OFFSETS_HU]
    if max(others) > max(_likelihood(values, shares) + OTHER_GAIN, MIN_LIKELIHOOD):
        about = OTHER_OFFSETS_HU[int(np.argmax(others))]
        raise refuse(source, "values must be HU, unless assume_hu=True", f"what looks like HU with about {about} added")
    warnings = []
    if shares[values < FAT_HU].sum() < USUAL_FAT_SHARE:
        warnings.append(f"hardly any tissue lies below {FAT_HU} HU, though fat does: the intensities may be shifted")
    if metal > 0.01:
        warnings.append(f"more than 1 % of the values lie above {METAL_HU} HU: the intensities may not be HU")
    return tuple(warnings)


def _histogram(sample: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whole values in ascending order, and what each counts for; the shares sum to 1."""
    values, counts = np.unique(np.rint(sample), return_counts=True)
    shares = np.minimum(counts / sample.size, MAX_SHARE)
    return values, shares / shares.sum()


def _likelihood(hu: np.ndarray, shares: np.ndarray) -> float:
    """Mean logarithm of the density of TISSUES, in nats."""
    density = FLOOR + sum(
        share / (deviation * np.sqrt(2 * np.pi)) * np.exp(-0.5 * ((hu - mean) / deviation) ** 2)
        for share, mean, deviation in TISSUES
    )
    return float(shares @ np.log(density)) - BELOW_LOWEST * bool(hu.min() < LOWEST_HU)
