"""Makes shapes of shapes: balls and bowls, shells, shapes with a hole, and shapes moved aside."""

import numpy as np

from spine_tf.data.synthesis.phantom.shapes import Shape


def ball(centre, radius: float) -> Shape:
    """Make a ball; its depth is the exact distance from the surface.

    Args:
        centre: (3,) in mm.
        radius: in mm.
    """
    c, r = np.asarray(centre, np.float32), np.float32(radius)

    def depth(u, v, w):
        return r - np.sqrt(np.square(u - c[0]) + np.square(v - c[1]) + np.square(w - c[2]))

    return Shape(c - r, c + r, depth)


def bowl(centre, outer: float, inner: float, opening, rim_mm: float) -> Shape:
    """Make a hollow ball that is open to one side, as the socket of a hip is.

    Args:
        centre: (3,) in mm.
        outer, inner: radii in mm.
        opening: (3,) unit vector, the way out.
        rim_mm: how far from the centre, along `opening`, the wall ends.
    """
    whole, hollow = ball(centre, outer), ball(centre, inner)
    c, way = np.asarray(centre, np.float32), np.asarray(opening, np.float32)

    def depth(u, v, w):
        rim = np.float32(rim_mm) - ((u - c[0]) * way[0] + (v - c[1]) * way[1] + (w - c[2]) * way[2])
        return np.minimum(np.minimum(whole.depth(u, v, w), -hollow.depth(u, v, w)), rim)

    return Shape(whole.low, whole.high, depth)


def crust(shape: Shape, thick_mm: float) -> Shape:
    """Keep the outer `thick_mm` of a shape."""

    def depth(u, v, w):
        d = shape.depth(u, v, w)
        return np.minimum(d, np.float32(thick_mm) - d)

    return Shape(shape.low, shape.high, depth)


def minus(shape: Shape, hole: Shape) -> Shape:
    """Cut one shape out of another one."""

    def depth(u, v, w):
        return np.minimum(shape.depth(u, v, w), -hole.depth(u, v, w))

    return Shape(shape.low, shape.high, depth)


def moved(shape: Shape, way) -> Shape:
    """Move a shape by `way`, (3,) in mm."""
    d = np.asarray(way, np.float32)
    return Shape(shape.low + d, shape.high + d, lambda u, v, w: shape.depth(u - d[0], v - d[1], w - d[2]))
