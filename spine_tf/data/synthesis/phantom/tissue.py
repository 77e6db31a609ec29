"""Names every tissue that is not bone, and defines the scene: what anatomy hands to physics."""

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from spine_tf.data.synthesis.phantom.bones import Bones
from spine_tf.data.synthesis.phantom.shapes import Frame
from spine_tf.scans.labels import LAST_LABEL


class Tissue(IntEnum):
    """Names the codes of a tissue map; bone is kept beside the map, see `bones.Bones`."""

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
    """Holds anatomy without any HU; `physics.render` turns it into a CT.

    Attributes:
        frame: the voxel grid of all arrays.
        tissue: uint8 (x, y, z), codes of `Tissue`.
        bones: all bone, on the same grid.
        metal: bool (x, y, z).
        trabecular: factor on the HU of spongy bone, by owner of the bone; owners that are absent have 1.
        shell: factor on the thickness of the cortical shell, likewise.
        notes: what was drawn, as plain JSON types.
    """

    frame: Frame
    tissue: np.ndarray
    bones: Bones
    metal: np.ndarray
    trabecular: dict[int, float]
    shell: dict[int, float] = field(default_factory=dict)
    notes: dict = field(default_factory=dict)

    def labels(self) -> np.ndarray:
        """Return VerSe ids, uint8 (x, y, z): vertebrae 1-25 and 28, sacrum 26; other bone is background."""
        owner = self.bones.owner
        return np.where((self.bones.depth_mm > -RIM_MM) & (owner <= LAST_LABEL), owner, 0).astype(np.uint8)
