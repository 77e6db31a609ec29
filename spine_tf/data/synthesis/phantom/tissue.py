"""Names of everything that is not bone, and the map that holds them: what anatomy hands to physics."""

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from spine_tf.data.synthesis.phantom.shapes import Bones, Frame
from spine_tf.scans.labels import LAST_LABEL


class Tissue(IntEnum):
    """Codes of the tissue map. Bone is kept beside it, with a depth, because its shell is thinner than a voxel."""

    AIR = 0
    SKIN = 1
    FAT = 2
    MUSCLE = 3
    SOFT = 4
    LUNG = 5
    VESSEL = 6
    ARTERY = 7
    VEIN = 8
    HEART = 9
    LIVER = 10
    SPLEEN = 11
    KIDNEY = 12
    BOWEL = 13
    FLUID = 14
    GAS = 15
    STOOL = 16
    ORAL_CONTRAST = 17
    DISC = 18
    CORD = 19
    CSF = 20
    CARTILAGE = 21
    CALCIUM = 22
    BRAIN = 23
    TABLE = 24
    FOAM = 25
    CALCIFIED = 26
    """Soft tissue with calcium in it: cartilage of ribs and throat, lymph nodes, stones."""
    URINE = 27
    """In kidney pelvis, ureter and bladder: water, or contrast on its way out."""
    MEDULLA = 28
    RIGHT_HEART = 29
    """Right chambers and lung arteries, which contrast reaches first."""
    INFLOW = 30
    """The vein that contrast comes in through."""
    THYROID = 31
    PORTAL = 32
    """Vessels in the liver."""


RIM_MM = 0.3
"""How far bone ends inside its label: once blurred, its contrast then is half where it is half in the labelled CT."""


@dataclass(frozen=True)
class Scene:
    """Anatomy without any HU; `physics.render` turns it into a CT.

    tissue: uint8 (x, y, z), codes of `Tissue`. bones: on the same grid. metal: bool (x, y, z).
    trabecular: factor on the trabecular HU by owner of the bone; owners that are absent have 1. shell: the same for the
    thickness of the cortical shell. notes: what was drawn, as plain JSON types.
    """

    frame: Frame
    tissue: np.ndarray
    bones: Bones
    metal: np.ndarray
    trabecular: dict[int, float]
    shell: dict[int, float] = field(default_factory=dict)
    notes: dict = field(default_factory=dict)

    def labels(self) -> np.ndarray:
        """VerSe ids, uint8 (x, y, z): whole vertebrae 1-25 and 28, sacrum 26; every other bone is background."""
        owner = self.bones.owner
        return np.where((self.bones.depth_mm > -RIM_MM) & (owner <= LAST_LABEL), owner, 0).astype(np.uint8)
