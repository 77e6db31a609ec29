"""Sets real vertebrae into a phantom's trunk: each stands where the phantom's own one of the same name stood."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from spine_tf.data.synthesis.depths import TENTHS
from spine_tf.data.synthesis.phantom.anatomy import build_scene, draw_anatomy, draw_person
from spine_tf.data.synthesis.phantom.bones import Bones
from spine_tf.data.synthesis.phantom.field_of_view import draw_frame
from spine_tf.data.synthesis.phantom.shapes import Frame, Shape, evaluate
from spine_tf.data.synthesis.phantom.spine import Level
from spine_tf.data.synthesis.phantom.tissue import RIM_MM, Scene
from spine_tf.data.synthesis.preparing import GAP_MM
from spine_tf.data.synthesis.vertebra_shapes import GRID_MM, HIGH_MM, LOW_MM
from spine_tf.data.synthesis.voxel_parts import Parts, choose_parts, finer_frame
from spine_tf.scans.labels import LAST_LABEL

_REGIONS = {"cervical": range(1, 10), "thoracic": range(9, 20), "thoracolumbar": range(15, 25), "lumbar": range(19, 26)}
_FEWEST = 3
"""Real vertebrae that a region must hold to be drawn."""


@dataclass(frozen=True)
class Transplanted:
    """Holds a phantom's scene with real vertebrae in it."""

    scene: Scene
    labels: np.ndarray
    """uint8 (x, y, z) on the scene's grid, VerSe ids and 26."""
    places: dict[int, np.ndarray]
    """VerSe id to the centre of the body in mm of the scene's frame, inside the scan or not."""
    frame: Frame
    """The scan's grid, whose voxels are cut into `parts` for the scene."""
    parts: Parts
    description: dict
    """What was drawn, as plain JSON types."""


def transplant(arrays: dict[str, np.ndarray], rim_mm: float, rng: np.random.Generator) -> Transplanted:
    """Draw a phantom in whose field of view real vertebrae can be, and put them there.

    Args:
        arrays: see `preparing.prepare_vertebrae`.
        rim_mm: how far bone, as it is rendered, ends inside the label of a real vertebra.
        rng: draws the person, the field of view, and fractures.
    """
    have = {int(name.removeprefix("shape_")) for name in arrays if name.startswith("shape_")}
    regions = [name for name, labels in _REGIONS.items() if len(have & set(labels)) >= _FEWEST] + ["whole"]
    person = draw_person(rng, "random", str(rng.choice(regions)))
    spine, trunk = draw_anatomy(person, rng)
    frame, around = draw_frame(rng, spine, trunk, person.region)
    parts = choose_parts(frame)
    scene = build_scene(person, spine, trunk, finer_frame(frame, parts), rng)
    levels = [level for level in spine.levels if level.label in have]
    taken = [level.label for level in levels]
    bones = scene.bones
    gone = np.isin(bones.owner, taken)
    bones.depth_mm[gone], bones.owner[gone], bones.arch[gone] = -9, 0, False
    mirrored = bool(rng.random() < 0.5)
    pressed = {int(rng.choice(taken)): float(rng.uniform(0.15, 0.45))} if taken and rng.random() < 0.2 else {}
    for level in levels:
        add_real_vertebra(bones, level, arrays, rim_mm, mirrored, pressed.get(level.label, 0.0))
    rim = np.where(np.isin(bones.owner, taken), np.float32(rim_mm), np.float32(RIM_MM))
    labels = np.where((bones.depth_mm > -rim) & (bones.owner <= LAST_LABEL), bones.owner, 0).astype(np.uint8)
    description = person.describe() | {
        "screws": list(person.screws),
        "around": around,
        "cobb_deg": round(spine.cobb_deg, 1),
        "real": taken,
        "mirrored": mirrored,
        "fractures": [[label, round(loss, 2), 0.0] for label, loss in pressed.items()],
    }
    places = {level.label: level.place.centre_mm for level in spine.levels}
    return Transplanted(scene, labels, places, frame, parts, description)


def add_real_vertebra(
    bones: Bones, level: Level, arrays: dict[str, np.ndarray], rim_mm: float, mirrored: bool, pressed: float
) -> None:
    """Merge one real vertebra into bones, at a phantom's place and in its size.

    Args:
        bones: changed in place.
        level: the phantom's vertebra.
        arrays: see `preparing.prepare_vertebrae`; with a shape of the level's label.
        rim_mm: how far bone ends inside the label.
        mirrored: exchange right and left.
        pressed: share of the body's height that a fracture took in front.
    """
    row = int(np.flatnonzero(arrays["vertebra_labels"] == level.label)[0])
    width, deep, height, rear = arrays["vertebra_sizes"][row]
    scale = np.clip(level.body_mm / (width, deep, height), 0.82, 1.22).astype(np.float32)
    shape, sign = arrays[f"shape_{level.label}"], -1 if mirrored else 1
    growth = np.float32(np.cbrt(np.prod(scale)))

    def depth(u, v, w):
        if pressed:
            ahead = np.clip((v / scale[1] + rear) / deep, 0, 1)
            # The floor stays, the roof sinks; arch and processes, behind it, are left as they are.
            w = w + np.clip(w / (scale[2] * height / 2), -1, 1) * ahead * np.float32(pressed * height * scale[2] / 2)
        own = [sign * u / scale[0], v / scale[1], w / scale[2]]
        at = np.stack(np.broadcast_arrays(*own)) - LOW_MM.astype(np.float32).reshape(3, 1, 1, 1)
        value = ndimage.map_coordinates(
            shape, at / np.float32(GRID_MM), output=np.float32, order=1, mode="constant", cval=-127, prefilter=False
        )
        return value * (growth / np.float32(TENTHS)) - np.float32(rim_mm)

    box, found = evaluate(Shape(LOW_MM * scale, HIGH_MM * scale, depth), bones.frame, level.place, margin_mm=0.0)
    arch = _behind(bones.frame, box, level, np.float32(rear * scale[1] + 0.5))
    bones.add(box, found, level.label, arch, gap_mm=GAP_MM)


def _behind(frame: Frame, box, level: Level, way_mm) -> np.ndarray:
    """Where a box lies further back than `way_mm` behind a vertebra's centre: its arch."""
    front = level.place.rotation[:, 1].astype(np.float32)
    axes = [frame.axis_mm(axis, box[axis]) - np.float32(level.place.centre_mm[axis]) for axis in range(3)]
    return sum(f * axis for f, axis in zip(front, axes, strict=True)) < -way_mm
