"""Makes boards: flat or bent shapes that are thin one way, as laminae, spinous processes and hip bones are."""

import numpy as np

from spine_tf.data.synthesis.phantom.shapes import Shape, smooth_min


def plate(start, end, half_thick: float, half_high: tuple[float, float], normal_axis: int) -> Shape:
    """Make a flat rounded board between two points, thin along one axis.

    Args:
        start, end: (3,) in mm.
        half_thick: half its thickness in mm.
        half_high: half its height in mm at `start` and at `end`, in the board's plane across the line between them.
        normal_axis: 0, 1 or 2, the axis along which it is thin.
    """
    start, end = np.asarray(start, np.float32), np.asarray(end, np.float32)
    i, j = (axis for axis in range(3) if axis != normal_axis)
    along = end - start
    flat2 = np.float32(max(float(along[i] ** 2 + along[j] ** 2), 1e-6))
    h0, h1 = (np.float32(h) for h in half_high)

    def depth(u, v, w):
        p = (u - start[0], v - start[1], w - start[2])
        t = np.clip((p[i] * along[i] + p[j] * along[j]) / flat2, 0, 1)
        inside = h0 + t * (h1 - h0) - np.sqrt((p[i] - t * along[i]) ** 2 + (p[j] - t * along[j]) ** 2)
        thick = np.float32(half_thick) - np.abs(p[normal_axis] - t * along[normal_axis])
        return smooth_min(inside, thick, 1.5)

    reach = np.full(3, max(half_high), np.float32)
    reach[normal_axis] = half_thick
    return Shape(np.minimum(start, end) - reach, np.maximum(start, end) + reach, depth)


def slab(centre, normal, half_thick: float, half_wide: float, half_high: float, bow: float = 0.0) -> Shape:
    """Make a rounded board of any direction.

    Args:
        centre: (3,) in mm.
        normal: (3,), the direction in which it is thin; need not be of length 1.
        half_thick: half its thickness in mm.
        half_wide: half its width in mm, across `normal` and level.
        half_high: half its height in mm, across both.
        bow: how far its middle is bent, in mm for each square mm across; positive: the edges bend along `normal`.
    """
    centre = np.asarray(centre, np.float32)
    n = np.asarray(normal, float) / np.linalg.norm(normal)
    t = np.cross((0, 0, 1), n)
    t /= max(np.linalg.norm(t), 1e-6)
    b = np.cross(n, t)
    rows = [one.astype(np.float32) for one in (n, t, b)]
    thick, wide, high = np.float32(half_thick), np.float32(half_wide), np.float32(half_high)

    def depth(u, v, w):
        p = (u - centre[0], v - centre[1], w - centre[2])
        across, level, up = (row[0] * p[0] + row[1] * p[1] + row[2] * p[2] for row in rows)
        rim = (1 - np.sqrt(np.square(level / wide) + np.square(up / high))) * min(wide, high)
        return smooth_min(thick - np.abs(across - np.float32(bow) * level * level), rim, 1.5)

    reach = np.abs(rows[0]) * (thick + abs(bow) * wide * wide) + np.abs(rows[1]) * wide + np.abs(rows[2]) * high
    return Shape(centre - reach, centre + reach, depth)


def sheet(axis: int, low, high, middle, half_thick, outline) -> Shape:
    """Make a curved board that every line along one axis crosses at most once.

    Args:
        axis: that axis.
        low, high: corners (3,) in mm.
        middle: function of the two other coordinates (in order) in mm: where along `axis` the board lies, in mm.
        half_thick: function of the same and of the depth inside the outline in mm: half the thickness there, in mm.
        outline: (n, 2) corners in mm of its contour, in the two other coordinates.
    """
    outline = np.asarray(outline, np.float32)

    def depth(u, v, w):
        p = (u, v, w)
        a, b = (p[k] for k in range(3) if k != axis)
        inside = polygon_depth(outline, a, b)
        at = middle(a, b)
        slope = np.sqrt(1 + np.square(middle(a + 1, b) - at) + np.square(middle(a, b + 1) - at))
        across = half_thick(a, b, inside) - np.abs(p[axis] - at) / slope
        return smooth_min(across, inside, 2.0)

    return Shape(np.asarray(low, np.float32), np.asarray(high, np.float32), depth)


def polygon_depth(corners: np.ndarray, a, b) -> np.ndarray:
    """Compute how deep points lie inside a polygon.

    Args:
        corners: (n, 2) in mm.
        a, b: coordinates of the points in mm, which broadcast against each other.

    Returns:
        float32, the distance to the nearest edge in mm, negative outside.
    """
    distance2 = np.float32(1e9)
    inside = np.zeros(np.broadcast_shapes(np.shape(a), np.shape(b)), bool)
    for (a0, b0), (a1, b1) in zip(corners, np.roll(corners, -1, 0), strict=True):
        da, db = a1 - a0, b1 - b0
        t = np.clip(((a - a0) * da + (b - b0) * db) / max(da * da + db * db, np.float32(1e-6)), 0, 1)
        distance2 = np.minimum(distance2, np.square(a - a0 - t * da) + np.square(b - b0 - t * db))
        crosses = (b0 > b) != (b1 > b)
        if db:
            inside ^= crosses & (a < a0 + (b - b0) * (da / db))
    return np.where(inside, 1, -1).astype(np.float32) * np.sqrt(distance2)
