"""Merges bones into one map of depths: parts of one bone grow together, different bones keep a joint space.

Bone is kept as a depth in mm instead of a code per voxel, because its shell is thinner than a voxel.
"""

import numpy as np

from spine_tf.data.synthesis.phantom.shapes import WORLD, Frame, Placement, Shape, evaluate, smooth_max


class Bones:
    """Holds all bone of a scene, as arrays (x, y, z) on the grid of `frame`.

    Attributes:
        depth_mm: float32, depth below the surface in mm, positive inside bone, -9 far from it.
        owner: uint8, which bone: a VerSe id, or above 28 any other bone; 0 is no bone.
        arch: bool, whether a voxel of a vertebra belongs to its arch, not its body.
        extra_hu: int16, added to the HU of spongy bone: lesions, dense ends of joints, thick walls, marrow.
    """

    def __init__(self, frame: Frame):
        self.frame = frame
        self.depth_mm = np.full(frame.shape, -9, np.float32)
        self.owner = np.zeros(frame.shape, np.uint8)
        self.arch = np.zeros(frame.shape, bool)
        self.extra_hu = np.zeros(frame.shape, np.int16)

    def add(self, box, depth: np.ndarray, owner: int, arch=False, gap_mm: float = 1.5) -> None:
        """Merge one bone; where it would touch or cross another one, leave a joint space between them.

        Args:
            box: slices into (x, y, z), see `evaluate`.
            depth: float32 in mm, of the box's shape; an empty box changes nothing.
            owner: id of the bone, 1..255.
            arch: whether it is arch; a bool, or a bool array of the box's shape.
            gap_mm: width of the joint space.
        """
        if depth.size == 0:
            return
        old, old_owner = self.depth_mm[box], self.owner[box]
        wins = depth > old
        best, second = np.maximum(depth, old), np.minimum(depth, old)
        apart = np.minimum(best, (best - second - np.float32(gap_mm)) / 2)
        self.depth_mm[box] = np.where((old_owner == owner) | (old_owner == 0), best, apart)
        old_owner[wins] = owner
        self.arch[box] = np.where(wins, arch, self.arch[box])

    def add_shapes(self, shapes: list[Shape], owner: int, place: Placement = WORLD, gap_mm: float = 1.5) -> None:
        """Merge a bone that is the plain union of shapes; arguments as in `add`, shapes in the frame of `place`."""
        for shape in shapes:
            self.add(*evaluate(shape, self.frame, place), owner, gap_mm=gap_mm)


def merge_parts(bones: Bones, shapes: list[Shape], owner: int, gap_mm: float) -> None:
    """Merge a bone made of shapes (in mm of the world) that flow into each other; see `blend_part`."""
    for shape in shapes:
        blend_part(bones, *evaluate(shape, bones.frame), owner, gap_mm, 5.0)


def blend_part(bones: Bones, box, depth: np.ndarray, owner: int, gap_mm: float, fillet_mm: float) -> None:
    """Merge a part of a bone with a fillet towards the parts that are there; other bones are kept at a distance.

    Args:
        bones: changed in place.
        box: slices into (x, y, z).
        depth: float32 in mm, of the box's shape.
        owner: id of the bone.
        gap_mm: joint space left to other bones.
        fillet_mm: how far the fillet reaches.
    """
    mine = bones.owner[box] == owner
    blended = np.where(mine, smooth_max(depth, bones.depth_mm[box], fillet_mm), depth)
    bones.add(box, blended.astype(np.float32), owner, gap_mm=gap_mm)


def brighten(bones: Bones, shape: Shape, hu: float, place: Placement = WORLD, soft_mm: float = 4.0) -> None:
    """Add HU to the spongy bone inside a shape, fading in over `soft_mm` below the shape's surface."""
    box, depth = evaluate(shape, bones.frame, place, margin_mm=0.0)
    bones.extra_hu[box] += (np.float32(hu) * np.clip(depth / np.float32(soft_mm), 0, 1)).astype(np.int16)


def make_tubular(bones: Bones, owner: int, start, end, wall_mm: float) -> None:
    """Make a long bone hollow between two points: a thick wall around fat marrow.

    Args:
        bones: changed in place, within 30 mm to the sides of the line and between the heights of its ends.
        owner: id of the bone.
        start, end: (3,) in mm.
        wall_mm: thickness of the wall.
    """
    aside = np.array([30.0, 30.0, 0.0])
    box = bones.frame.box(np.minimum(start, end) - aside, np.maximum(start, end) + aside)
    mine = bones.owner[box] == owner
    wall = np.clip((np.float32(wall_mm) - bones.depth_mm[box]) / 1.5 + 0.5, 0, 1)
    bones.extra_hu[box] = np.where(mine, 1000 * wall - 250 * (1 - wall), bones.extra_hu[box])
