"""Draws one synthetic person, and builds the scene of all that lies in a field of view."""

from dataclasses import asdict, dataclass

import numpy as np

from spine_tf.data.synthesis.phantom.bones import Bones
from spine_tf.data.synthesis.phantom.chest import paint_chest, paint_vessels
from spine_tf.data.synthesis.phantom.devices import add_devices, add_screws, paint_table
from spine_tf.data.synthesis.phantom.lesions import add_flowing_bone, add_lesions
from spine_tf.data.synthesis.phantom.muscles import paint_muscles, paint_spine_soft
from spine_tf.data.synthesis.phantom.organs import paint_organs
from spine_tf.data.synthesis.phantom.paint import Painter
from spine_tf.data.synthesis.phantom.pelvis import FEMUR, HIP, add_pelvis, add_sacrum
from spine_tf.data.synthesis.phantom.shapes import Frame
from spine_tf.data.synthesis.phantom.shoulder import CLAVICLE, HUMERUS, add_arms, add_shoulders, draw_arms, paint_arms
from spine_tf.data.synthesis.phantom.skeleton import add_ribs, add_sternum, paint_cartilage
from spine_tf.data.synthesis.phantom.skull import HYOID, MANDIBLE, SKULL, TEETH, add_skull, paint_head
from spine_tf.data.synthesis.phantom.smoothing import smooth_noise
from spine_tf.data.synthesis.phantom.spine import Spine, draw_labels, draw_spine
from spine_tf.data.synthesis.phantom.tissue import Scene
from spine_tf.data.synthesis.phantom.trunk import Trunk, draw_trunk, paint_trunk
from spine_tf.data.synthesis.phantom.vertebra import add_vertebra, draw_wear

ANATOMIES = ("random", "scoliosis_metal")
REGIONS = ("cervical", "thoracic", "lumbar", "thoracolumbar", "whole", "pelvis", "head")
MAX_TRAINING_COBB_DEG = 25.0
MIN_HELD_OUT_COBB_DEG = 35.0
"""Training phantoms stay below the first, held-out ones above the second angle."""

_SHELLS = {HIP: 1.2, HIP + 1: 1.2, SKULL: 1.6, MANDIBLE: 1.8, TEETH: 2.0, TEETH + 1: 2.0, HYOID: 0.8} | {
    owner: 1.3 for side in (0, 1) for owner in (FEMUR + side, HUMERUS + side, CLAVICLE + side)
}
"""How much thicker the shell of some bones is."""


@dataclass(frozen=True)
class Person:
    """Holds what was drawn of one person."""

    anatomy: str
    region: str
    labels: tuple[int, ...]
    """VerSe ids from top to bottom."""
    cobb_deg: float
    apex_row: float
    """Where the scoliosis is centred: place in the chain, C1 = 0."""
    degeneration: float
    """0..1, how worn the spine is."""
    fracture_rate: float
    """Share of the vertebrae below T4 that are fractured."""
    infiltration: float
    """0..1, fat in the muscles."""
    calcified: float
    """0..1, calcium in arteries, cartilage and lymph nodes."""
    screws: tuple[int, ...]
    """VerSe ids of the vertebrae with pedicle screws."""

    def describe(self) -> dict:
        """Return it as plain JSON types."""
        return asdict(self)


def draw_person(rng: np.random.Generator, anatomy: str, region: str) -> Person:
    """Draw a person.

    Args:
        rng: draws the person.
        anatomy: "random", the training distribution (Cobb angle up to MAX_TRAINING_COBB_DEG; metal in 8 %, in straight
            spines only), or "scoliosis_metal", held out: MIN_HELD_OUT_COBB_DEG to 60 degrees, instrumented.
        region: one of REGIONS, or "random".

    Raises:
        ValueError: an unknown anatomy or region.
    """
    if anatomy not in ANATOMIES:
        raise ValueError(f"anatomy must be one of {ANATOMIES}. Received: {anatomy!r}")
    if region not in (*REGIONS, "random"):
        raise ValueError(f"region must be 'random' or one of {REGIONS}. Received: {region!r}")
    held_out = anatomy == "scoliosis_metal"
    if region == "random":
        share = [0, 0.25, 0.2, 0.45, 0.1, 0, 0] if held_out else [0.13, 0.19, 0.27, 0.22, 0.12, 0.04, 0.03]
        region = str(rng.choice(REGIONS, p=share))
    labels = draw_labels(rng)
    cobb = float(rng.uniform(MIN_HELD_OUT_COBB_DEG, 60) if held_out else min(rng.gamma(1.2, 6), MAX_TRAINING_COBB_DEG))
    apex = float(rng.uniform(*{"thoracic": (11, 15), "lumbar": (18, 21)}.get(region, (13, 20))))
    screws = ()
    if held_out:
        first = round(apex) + 1 - int(rng.integers(2, 5))
        screws = tuple(range(first, first + int(rng.integers(5, 8))))
    elif cobb < 10 and rng.random() < 0.12:
        first = int(rng.integers(19, 24))
        screws = (first, first + 1)
    old = float(rng.beta(1.3, 1.3))
    rate = float(rng.choice([0.0, 0.08, 0.25], p=[0.6, 0.28, 0.12])) * (0.4 + old)
    return Person(
        anatomy=anatomy,
        region=region,
        labels=labels,
        cobb_deg=cobb,
        apex_row=apex,
        degeneration=old,
        fracture_rate=rate,
        infiltration=float(np.clip(old * rng.uniform(0.2, 1.1), 0, 1)),
        calcified=float(old * rng.random() if rng.random() < 0.6 else 0.0),
        screws=tuple(label for label in labels if label in screws),
    )


def build_scene(person: Person, spine: Spine, trunk: Trunk, frame: Frame, rng: np.random.Generator) -> Scene:
    """Build everything of a person that lies in a frame, without HU.

    Args:
        person: see `draw_person`.
        spine, trunk: see `draw_anatomy`.
        frame: the voxel grid.
        rng: draws organs, devices, lesions and the shapes of bones.
    """
    diaphragm_z = spine.level(int(rng.choice([16, 17, 18]))).place.centre_mm[2] + rng.uniform(0, 25)
    tissue, cavity = paint_trunk(rng, frame, trunk, diaphragm_z)
    paint = Painter(frame, tissue, cavity, rng)
    arms = draw_arms(rng, spine, trunk)
    paint_organs(paint, spine, person.calcified)
    paint_chest(paint, spine, diaphragm_z, person.calcified)
    paint_muscles(paint, spine, person.infiltration)
    paint_spine_soft(paint, spine, rng, person.degeneration)
    paint_vessels(paint, spine, person.calcified)
    paint_head(paint, spine)
    paint_arms(paint, spine, trunk, arms)
    paint_table(paint, trunk)
    bones, trabecular = Bones(frame), {}
    rough = smooth_noise(rng, frame, 5.0)
    for level in spine.levels:
        wear = draw_wear(rng, person.degeneration, person.fracture_rate, level.row)
        trabecular[level.label] = float(rng.normal(1, 0.06) + (0.6 * wear.loss if wear.loss else 0))
        add_vertebra(bones, level, wear, rough, rng)
    add_flowing_bone(bones, spine, person.degeneration, rng)
    add_sacrum(bones, spine, rng)
    add_pelvis(bones, spine, rng, 300 * max(0.0, person.degeneration - 0.4))
    ends = add_ribs(bones, spine, trunk, rng)
    add_sternum(bones, spine, trunk)
    add_shoulders(bones, spine, trunk, arms)
    add_arms(bones, spine, arms)
    add_skull(bones, spine, rng)
    lesions = add_lesions(bones, spine, rng)
    paint_cartilage(paint, spine, ends, person.calcified)
    metal = np.zeros(frame.shape, bool)
    add_screws(metal, frame, spine, person.screws, rng)
    devices = add_devices(metal, frame, spine, trunk, person.calcified, rng)
    raised = [bool(arm.raised) for arm in arms]
    notes = {"devices": devices, "lesions": lesions, "arms_raised": raised}
    return Scene(frame, tissue, bones, metal, trabecular, _SHELLS, notes)


def draw_anatomy(person: Person, rng: np.random.Generator) -> tuple[Spine, Trunk]:
    """Draw places and sizes of a person's vertebrae, and the trunk around them."""
    spine = draw_spine(rng, person.labels, person.cobb_deg, person.apex_row)
    return spine, draw_trunk(rng, spine)
