"""Shears a scene as a tilted gantry does whose slices were stacked as if it had stood upright."""

from dataclasses import replace

import numpy as np

from spine_tf.data.synthesis.phantom.bones import Bones
from spine_tf.data.synthesis.phantom.tissue import Scene

MOST_DEG = 20.0


def shift_mm(z_mm, frame, degrees: float):
    """Compute how far forward a slice lands; the middle slice of the frame stays where it is.

    Args:
        z_mm: height of the slice, a number or an array.
        frame: the scan's grid.
        degrees: how far the gantry is tilted.
    """
    middle = frame.origin_mm[2] + (frame.shape[2] - 1) / 2 * frame.spacing_mm[2]
    return (np.asarray(z_mm) - middle) * np.tan(np.radians(degrees))


def tilted(scene: Scene, degrees: float) -> Scene:
    """Return the scene as a gantry tilted by so many degrees sees it, on the same grid; air comes in from outside."""
    frame, bones = scene.frame, Bones(scene.frame)
    tissue, metal = np.zeros_like(scene.tissue), np.zeros_like(scene.metal)
    way = shift_mm(frame.axis_mm(2).ravel(), frame, degrees) / frame.spacing_mm[1]
    for k, shift in enumerate(way):
        # The depth is interpolated, so that bones do not get stairs; codes are moved by whole voxels.
        whole = int(np.floor(shift))
        part = np.float32(shift - whole)
        near = whole + int(part >= 0.5)
        for source, target in (
            (scene.tissue, tissue), (scene.metal, metal), (scene.bones.owner, bones.owner),
            (scene.bones.arch, bones.arch), (scene.bones.extra_hu, bones.extra_hu),
        ):  # fmt: skip
            into, out = _overlap(near, frame.shape[1])
            target[:, into, k] = source[:, out, k]
        depth = bones.depth_mm[:, :, k]
        for voxels, share in ((whole, 1 - part), (whole + 1, part)):
            into, out = _overlap(voxels, frame.shape[1])
            depth[:, into] += share * (scene.bones.depth_mm[:, out, k] + 9)
    return replace(scene, tissue=tissue, metal=metal, bones=bones)


def _overlap(shift: int, count: int) -> tuple[slice, slice]:
    """Slices of target and source when `count` voxels are moved by `shift`."""
    shift = int(np.clip(shift, -count, count))
    return slice(max(shift, 0), count + min(shift, 0)), slice(max(-shift, 0), count - max(shift, 0))
