"""Paints shapes, columns and tubes into a tissue map."""

import numpy as np

from spine_tf.datasets.phantom.shapes import Frame, Shape, evaluate, smooth_noise, tube
from spine_tf.datasets.phantom.tissue import Tissue


class Painter:
    """Paints shapes into a tissue map; later paint covers earlier paint."""

    def __init__(self, frame: Frame, tissue: np.ndarray, cavity: np.ndarray, rng: np.random.Generator):
        self.frame, self.tissue, self.cavity, self.rng = frame, tissue, cavity, rng
        self.wobble = smooth_noise(rng, frame, 16.0)
        self.marbling = smooth_noise(rng, frame, (3.5, 3.5, 14.0))

    def shape(self, shape: Shape, tissue: Tissue, rough_mm=1.0, rim=None, rim_mm=1.5, over=None, place=None) -> None:
        """One shape; `rim` is the tissue of its outer `rim_mm`, `over` a bool map of where it may be painted."""
        box, depth = evaluate(shape, self.frame, **({"place": place} if place is not None else {}))
        self.depth(box, depth, tissue, rough_mm, rim, rim_mm, over)

    def depth(self, box, depth, tissue, rough_mm=1.0, rim=None, rim_mm=1.5, over=None) -> None:
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

    def tube(self, points, radii, tissue: Tissue, rim=None, rim_mm=1.5, rough_mm=0.4) -> None:
        """A vessel or hose along a polyline, (n, 3) mm."""
        for one in tube(np.asarray(points, float), radii):
            self.shape(one, tissue, rough_mm, rim, rim_mm)
