"""Paints shapes, columns and tubes into a tissue map."""

import numpy as np

from spine_tf.data.synthesis.phantom.shapes import WORLD, Frame, Shape, enclosing, evaluate, size_of, tube, within
from spine_tf.data.synthesis.phantom.smoothing import smooth_noise
from spine_tf.data.synthesis.phantom.tissue import Tissue


class Painter:
    """Paints shapes into a tissue map; later paint covers earlier paint.

    Args:
        frame: the voxel grid.
        tissue: uint8 (x, y, z), codes of `Tissue`, changed in place.
        cavity: bool (x, y, z), inside of the muscular wall.
        rng: draws what is uneven; callers draw from it, too.

    Attributes:
        wobble: float32 (x, y, z), smooth noise over 16 mm that roughens surfaces.
        marbling: float32 (x, y, z), smooth noise over some mm, as fat lies in muscle.
    """

    def __init__(self, frame: Frame, tissue: np.ndarray, cavity: np.ndarray, rng: np.random.Generator):
        self.frame, self.tissue, self.cavity, self.rng = frame, tissue, cavity, rng
        self.wobble = smooth_noise(rng, frame, 16.0)
        self.marbling = smooth_noise(rng, frame, (3.5, 3.5, 14.0))

    def shape(
        self, shape: Shape, tissue: Tissue, rough_mm=1.0, rim=None, rim_mm=1.5, over=None, place=WORLD, gas_y_mm=None
    ) -> None:
        """Paint one shape.

        Args:
            shape: in the frame of `place`.
            tissue: what it is made of.
            rough_mm: how uneven its surface is.
            rim: the tissue of its outer `rim_mm`; None: the same.
            rim_mm: thickness of the rim.
            over: bool (x, y, z), where it may be painted; None: everywhere.
            place: where the shape lies.
            gas_y_mm: gas fills what lies in front of this y, as in the bowel of a patient on the back; None: no gas.
        """
        self.depth(*evaluate(shape, self.frame, place), tissue, rough_mm, rim, rim_mm, over, gas_y_mm)

    def depth(self, box, depth, tissue, rough_mm=1.0, rim=None, rim_mm=1.5, over=None, gas_y_mm=None) -> None:
        """Paint where a depth in mm in a box of slices is above 0; the rest as in `shape`."""
        if not depth.size:
            return
        depth = depth + np.float32(rough_mm) * self.wobble[box]
        inside = depth > 0 if over is None else (depth > 0) & over[box]
        target = self.tissue[box]
        if rim is not None:
            target[inside] = rim
            inside &= depth > rim_mm
        target[inside] = tissue
        if gas_y_mm is not None:
            target[inside & (self.frame.axis_mm(1, box[1]) > gas_y_mm)] = Tissue.GAS

    def column(self, nodes, tissue: Tissue, rough_mm=0.8, rim=None, rim_mm=1.5, over=None) -> None:
        """Paint an upright column of elliptic cross-section; the rest as in `shape`.

        Args:
            nodes: (n, 5), in any order: z, x, y, half width, half depth in mm.
        """
        nodes = np.array(nodes, float)
        nodes = nodes[np.argsort(nodes[:, 0])]
        reach = nodes[:, 3:].max(0) + 2
        low = (nodes[:, 1].min() - reach[0], nodes[:, 2].min() - reach[1], nodes[0, 0])
        high = (nodes[:, 1].max() + reach[0], nodes[:, 2].max() + reach[1], nodes[-1, 0])
        box = self.frame.box(low, high)
        x, y, z = (self.frame.axis_mm(axis, box[axis]) for axis in range(3))
        cx, cy, rx, ry = (np.interp(z, nodes[:, 0], nodes[:, k]).astype(np.float32) for k in range(1, 5))
        depth = (1 - np.sqrt(np.square((x - cx) / rx) + np.square((y - cy) / ry))) * np.minimum(rx, ry)
        self.depth(box, depth, tissue, rough_mm, rim, rim_mm, over)

    def limb(self, points, radii, fat_mm: float) -> None:
        """Paint an arm along a polyline over air alone: skin, fat, muscle.

        Args:
            points: (n, 3) in mm.
            radii: (n,) in mm.
            fat_mm: thickness of the fat.
        """
        found = [evaluate(one, self.frame, margin_mm=0.0) for one in tube(points, radii)]
        found = [(box, depth) for box, depth in found if depth.size]
        if not found:
            return
        whole = enclosing([box for box, _ in found])
        depth = np.full(size_of(whole), -9, np.float32)
        for box, own in found:
            target = depth[within(box, whole)]
            np.maximum(target, own, out=target)
        depth += self.wobble[whole]
        target = self.tissue[whole]
        free = target == Tissue.AIR
        for least, tissue in ((0, Tissue.SKIN), (2, Tissue.FAT), (2 + fat_mm, Tissue.MUSCLE)):
            target[free & (depth > least)] = tissue

    def tube(self, points, radii, tissue: Tissue, rim=None, rim_mm=1.5, rough_mm=0.4, over=None, gas_y_mm=None) -> None:
        """Paint a vessel or hose along a polyline, (n, 3) mm, with radii (n,) or one; the rest as in `shape`."""
        for one in tube(points, radii):
            self.shape(one, tissue, rough_mm, rim, rim_mm, over, gas_y_mm=gas_y_mm)
