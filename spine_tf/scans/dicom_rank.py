"""Prefers one of several CT series: an original, axial one with a soft kernel before reformats and sharp kernels."""

import re

import numpy as np

from spine_tf.scans.checks import MIN_VOXELS
from spine_tf.scans.dicom_header import Slice

AXIAL_COSINE = 0.8
"""Least cosine between the slices' normal and the body's axis: gantries tilt up to 30 degrees."""
SHARP_FROM = {"FC": 30, "": 50}
"""Numbers from which kernels are sharp: Toshiba's and Canon's FC30, Siemens' B50f, Br59d and their like."""
_SHARP = re.compile(r"BONE|LUNG|EDGE|SHARP|ULTRA|CHST|^(D|E|L|YC|YD)$")
"""Sharp kernels of GE and Philips."""
_MERITS = (
    f"with at least {MIN_VOXELS} slices",
    "longer",
    "axial",
    "original",
    "with a softer kernel",
    "with more slices",
)


def prefer(groups: list[list[Slice]]) -> list[list[Slice]]:
    """Sort series, the one to segment first.

    What counts, the first first: at least MIN_VOXELS slices; at least half as long in the body as the longest one;
    axial slices (ImageOrientationPatient); not DERIVED (ImageType); no sharp kernel (ConvolutionKernel); more slices.

    Args:
        groups: the slices of each series.
    """
    longest_mm = max(_length_mm(group) for group in groups)
    return sorted(groups, key=lambda group: _merits(group, longest_mm), reverse=True)


def why(chosen: list[Slice], others: list[list[Slice]]) -> str:
    """Say in words what a series has before the others, e.g. "axial, with more slices"."""
    longest_mm = max(_length_mm(group) for group in (chosen, *others))
    own = _merits(chosen, longest_mm)
    first = (
        next((k for k, (a, b) in enumerate(zip(own, _merits(group, longest_mm), strict=True)) if a != b), None)
        for group in others
    )
    words = [_MERITS[k] for k in sorted({k for k in first if k is not None})]
    return ", ".join(words) or "the first of equals"


def is_sharp(kernel: str) -> bool:
    """Whether a ConvolutionKernel is one for bone, lung or edges, as far as its name tells.

    Example:
        >>> [is_sharp(kernel) for kernel in ("B30f", "B70f", "STANDARD", "BONEPLUS", "FC13", "FC52")]
        [False, True, False, True, False, True]
    """
    name = kernel.split("\\")[0].strip().upper()
    numbered = re.match(r"(FC|[A-Z]{1,2})(\d+)", name)
    if numbered:
        return int(numbered[2]) >= SHARP_FROM.get(numbered[1], SHARP_FROM[""])
    return bool(_SHARP.search(name))


def _merits(group: list[Slice], longest_mm: float) -> tuple:
    """One value for each of _MERITS, the higher the better."""
    first = group[0]
    return (
        len(group) >= MIN_VOXELS,
        _length_mm(group) >= longest_mm / 2,
        bool(abs(np.cross(*first.directions)[2]) >= AXIAL_COSINE),
        "DERIVED" not in first.image_type.split("\\"),
        not is_sharp(first.kernel),
        len(group),
    )


def _length_mm(group: list[Slice]) -> float:
    """How much of the body's axis (z) slices cover, from their lowest corner to their highest."""
    first = group[0]
    edges_mm = first.directions[:, 2] * first.spacing_mm * (np.array(first.size) - 1)
    z = [item.position_mm[2] for item in group]
    return float(np.ptp(z) + np.abs(edges_mm).sum())
