"""Names the labels of vertebrae: VerSe ids, TotalSegmentator's numbers, order, regions, colours and SNOMED CT codes.

A label map of this package holds VerSe ids: 1-7 are C1-C7, 8-19 T1-T12, 20-25 L1-L6, 26 is the sacrum, 27 the coccyx
and 28 T13. VerSe does not annotate sacrum and coccyx: both are background of the mask.

Example:
    >>> [NAMES[label] for label in REGIONS["cervical"]]
    ['C1', 'C2', 'C3', 'C4', 'C5', 'C6', 'C7']
"""

import numpy as np

C1, C2, C7, T1, T12, L1, L5, L6 = 1, 2, 7, 8, 19, 20, 24, 25
SACRUM, COCCYX, T13 = 26, 27, 28
LAST_LUMBAR = L6
LAST_LABEL = T13
"""The largest VerSe id. L6 and T13 are surplus vertebrae that a few people have."""

REGIONS = {
    "cervical": tuple(range(C1, C7 + 1)),
    "thoracic": (*range(T1, T12 + 1), T13),
    "lumbar": tuple(range(L1, LAST_LUMBAR + 1)),
}
"""Region of the spine -> VerSe ids of its vertebrae, from the head down."""

ALONG_SPINE = (*REGIONS["cervical"], *REGIONS["thoracic"], *REGIONS["lumbar"], SACRUM, COCCYX)
"""All VerSe ids from the head down: T13 stands between T12 and L1, although its id is the largest."""

VERTEBRAE = tuple(sorted({*ALONG_SPINE} - {SACRUM, COCCYX}))
"""VerSe ids of the vertebrae, which are the mask: 1-25 and 28."""

NAMES = {
    label: f"{region[0].upper()}{number}"
    for region, labels in REGIONS.items()
    for number, label in enumerate(labels, 1)
} | {SACRUM: "sacrum", COCCYX: "coccyx"}
"""VerSe id -> name."""

TOTALSEGMENTATOR = {label: 51 - label for label in range(27, 51)}
"""Vertebra in TotalSegmentator's maps -> VerSe id: it counts up from L5 = 27 to C1 = 50, VerSe down from C1 = 1."""

TOTALSEGMENTATOR_SACRUM = (25, 26)
"""TotalSegmentator's sacrum, and its S1 apart."""

NUMBERINGS = {
    "verse": {label: label for label in sorted(ALONG_SPINE)},
    "totalsegmentator": TOTALSEGMENTATOR | dict.fromkeys(TOTALSEGMENTATOR_SACRUM, SACRUM),
    "totalsegmentator_v1": {label: 42 - label for label in range(18, 42)} | {92: SACRUM},
    "totalsegmentator_v3": TOTALSEGMENTATOR | {25: SACRUM, 26: L6},
    "vertebrae_pp": {label: label for label in range(C1, L5 + 1)},
}
"""Numbering of a label map -> its label -> VerSe id; any other label becomes background.

Those of TotalSegmentator are its tasks `total` (of version 2, of version 1, and `total_v3` with L6) and `vertebrae_pp`.
Source: `totalsegmentator/map_to_binary.py` of TotalSegmentator 2.18.
"""

OKABE_ITO = ("#E69F00", "#0072B2", "#F0E442", "#CC79A7", "#009E73", "#D55E00", "#56B4E9")
"""Colours that people with any form of colour blindness can tell apart, in turns light and dark; without black.

Source: Okabe and Ito, "Color universal design", 2008.
"""

COLOURS = {label: OKABE_ITO[place % len(OKABE_ITO)] for place, label in enumerate(ALONG_SPINE)}
"""VerSe id -> colour. Neighbours differ, also where T12, T13 or a last lumbar vertebra is missing."""

# The names in CID 7603 "Vertebra" are "C1 vertebra" to "L5 vertebra"; it has neither T13 nor L6.
SNOMED_CODES = {
    1: "14806007", 2: "39976000", 3: "113205007", 4: "5329002", 5: "36978003", 6: "36054005", 7: "87391001",
    8: "64864005", 9: "53733008", 10: "1626008", 11: "73071006", 12: "56401006", 13: "45296009", 14: "62487009",
    15: "11068009", 16: "82687006", 17: "7610001", 18: "12989004", 19: "23215003",
    20: "66794005", 21: "14293000", 22: "36470004", 23: "11994002", 24: "49668003",
    SACRUM: "54735007", COCCYX: "64688005",
}  # fmt: skip
"""VerSe id -> SNOMED CT code, where DICOM has one.

Source: DICOM PS3.16, CID 7603 "Vertebra" and CID 7192, as pydicom 3 lists them.
"""


def spine_mask(labels: np.ndarray) -> np.ndarray:
    """Select the vertebrae of a label map as one class, the mask.

    Args:
        labels: VerSe ids, an array of any shape and integer dtype.

    Returns:
        bool in the shape of `labels`: True for ids 1-25 and 28.

    Example:
        >>> spine_mask(np.array([0, 1, 25, 26, 27, 28]))
        array([False,  True,  True, False, False,  True])
    """
    return ((labels >= C1) & (labels <= LAST_LUMBAR)) | (labels == T13)


def relabelled(labels: np.ndarray, ids: dict[int, int]) -> np.ndarray:
    """Renumber a label map.

    Args:
        labels: whole numbers of at least 0, an array of any shape.
        ids: old label -> new one in 0..255, such as a value of NUMBERINGS.

    Returns:
        uint8 in the shape of `labels`; a label that `ids` does not have is 0.

    Example:
        >>> relabelled(np.array([27, 50, 3]), TOTALSEGMENTATOR)
        array([24,  1,  0], dtype=uint8)
    """
    table = np.zeros(max(int(labels.max()), *ids) + 1, np.uint8)
    table[list(ids)] = list(ids.values())
    return table[labels.astype(np.int64)]
