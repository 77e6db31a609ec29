"""Paints shapes, columns and tubes into a tissue map."""

import numpy as np

from spine_tf.data.synthesis.phantom.shapes import Frame, Shape, evaluate, smooth_noise, tube
from spine_tf.data.synthesis.phantom.tissue import Tissue


class Painter:
    """Paints shapes into a tissue map; later paint covers earlier paint."""

    def __init__(self, frame: Frame, tissue: np.ndarray, cavity: np.ndarray, rng: np.random.Generator):
        self.frame, self.tissue, self.cavity, self.rng = frame, tissue, cavity, rng
        self.wobble = smooth_noise(rng, frame, 16.0)
        self.marbling = smooth_noise(rng, frame, (3.5, 3.5, 14.0))

    def shape(
        self, shape: Shape, tissue: Tissue, rough_mm=1.0, rim=None, rim_mm=1.5, over=None, place=None, gas_y_mm=None
    ) -> None:
        """One shape.

        Args:
            rim: the tissue of its outer `rim_mm`.
            over: bool map of where it may be painted.
            gas_y_mm: gas fills what lies in front of this y, as in bowel of somebody who lies on the back.
        """
        box, depth = evaluate(shape, self.frame, **({"place": place} if place is not None else {}))
        self.depth(box, depth, tissue, rough_mm, rim, rim_mm, over, gas_y_mm)

    def depth(self, box, depth, tissue, rough_mm=1.0, rim=None, rim_mm=1.5, over=None, gas_y_mm=None) -> None:
        """As `shape`, from a depth in mm in a box."""
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

    def column(self, nodes: np.ndarray, tissue: Tissue, rough_mm=0.8, rim=None, rim_mm=1.5, over=None) -> None:
        """An upright column of elliptic cross-section; nodes (n, 5): z, x, y, half width, half depth in mm, by z."""
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
        """An arm along a polyline, (n, 3) mm: skin, fat, muscle, painted over air alone."""
        shapes = tube(np.asarray(points, float), radii)
        found = [evaluate(one, self.frame, margin_mm=0.0) for one in shapes]
        found = [(box, depth) for box, depth in found if depth.size]
        if not found:
            return
        whole = tuple(
            slice(min(box[axis].start for box, _ in found), max(box[axis].stop for box, _ in found))
            for axis in range(3)
        )
        depth = np.full([part.stop - part.start for part in whole], -9, np.float32)
        for box, own in found:
            inner = tuple(slice(b.start - w.start, b.stop - w.start) for b, w in zip(box, whole, strict=True))
            depth[inner] = np.maximum(depth[inner], own)
        depth += self.wobble[whole]
        target = self.tissue[whole]
        free = target == Tissue.AIR
        for least, tissue in ((0, Tissue.SKIN), (2, Tissue.FAT), (2 + fat_mm, Tissue.MUSCLE)):
            target[free & (depth > least)] = tissue

    def tube(self, points, radii, tissue: Tissue, rim=None, rim_mm=1.5, rough_mm=0.4, over=None, gas_y_mm=None) -> None:
        """A vessel or hose along a polyline, (n, 3) mm; the rest as in `shape`."""
        for one in tube(np.asarray(points, float), radii):
            self.shape(one, tissue, rough_mm, rim, rim_mm, over, gas_y_mm=gas_y_mm)
