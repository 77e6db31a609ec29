"""Runs volume inference inside a TensorFlow graph, where sizes are known when it is called (see `views/backend.py`).

Loops are `while` loops that run one turn at a time, so that memory is that of one slab or batch.
"""

from collections.abc import Callable

import keras
import tensorflow as tf


class GraphBackend:
    """keras.ops, inside a tf.function. Its phases are name scopes."""

    xp = keras.ops

    def phase(self, name: str):
        """Name the operations made inside."""
        return tf.name_scope(name)

    def count_triplets(self, positions) -> None:
        """A graph counts nothing."""

    def chunks(self, function: Callable, n, size: int):
        """As `NumpyBackend.chunks`; the results are float32."""
        count = (n + size - 1) // size
        parts = tf.TensorArray(tf.float32, size=count, infer_shape=False)
        of_part = []

        def body(number, parts):
            start = number * size
            part = function(start, tf.minimum(start + size, n))
            of_part[:] = part.shape[1:]
            return number + 1, parts.write(number, part)

        loop = (tf.constant(0), parts)
        _, parts = tf.while_loop(lambda number, _: number < count, body, loop, parallel_iterations=1)
        # A loop forgets the shape of what it wrote; its rank, at least, is asked for later.
        return tf.ensure_shape(parts.concat(), [None, *of_part])

    batches = chunks

    def loop(self, body: Callable, count, state: tuple) -> tuple:
        """As `NumpyBackend.loop`; the state's arrays keep their rank, their shapes may be known when called."""

        def turn(number, *state):
            return (number + 1, *body(number, state))

        shapes = (tf.TensorShape([]), *(tf.TensorShape([None] * one.shape.rank) for one in state))
        loop = (tf.constant(0), *state)
        _, *state = tf.while_loop(
            lambda number, *_: number < count, turn, loop, shape_invariants=shapes, parallel_iterations=1
        )
        return tuple(state)

    def cond(self, test, then: Callable, otherwise: Callable):
        """As `NumpyBackend.cond`."""
        return (then() if test else otherwise()) if isinstance(test, bool) else tf.cond(test, then, otherwise)

    def place(self, values, box, shape):
        """As `NumpyBackend.place`."""
        margins = []
        for side, n, inside in zip(box, shape, tf.unstack(tf.shape(values)), strict=True):
            start = 0 if side.start is None else side.start
            margins.append([start, n - start - inside])
        return tf.pad(values, margins)

    def add(self, total, box, values):
        """As `NumpyBackend.add`, but `total` itself is left as it is."""
        return total + self.place(values, box, tf.unstack(tf.shape(total)))

    def contiguous(self, array):
        """Tensors always are."""
        return array

    def components(self, blocks):
        """As `NumpyBackend.components`: each component gets the number of one of its blocks, counted from 1.

        Every block starts as a component of its own. In each round every component joins the highest-numbered one that
        touches it, and each block then takes the number that its component ended up with; a round at least halves
        the components that are not yet whole, so there are few.
        """
        shape = tf.shape(blocks)
        n = tf.size(blocks)
        numbers = tf.reshape(tf.range(1, n + 1), shape)
        labels = tf.where(blocks, numbers, 0)

        def joined(labels, _):
            near = tf.where(blocks, _largest_neighbour(labels), 0)
            # parents[l]: the label that component l joins; 0 (outside) stays 0.
            parents = tf.tensor_scatter_nd_max(tf.range(n + 1), tf.reshape(labels, (-1, 1)), tf.reshape(near, (-1,)))
            parents = tf.tensor_scatter_nd_update(parents, [[0]], [0])
            # A chain of joins is followed to its end: labels only grow along it.
            parents = tf.while_loop(
                lambda p: tf.reduce_any(tf.gather(p, p) != p), lambda p: (tf.gather(p, p),), (parents,)
            )[0]
            after = tf.gather(parents, labels)
            return after, tf.reduce_any(after != labels)

        return tf.while_loop(lambda _, changed: changed, joined, (labels, tf.constant(True)), parallel_iterations=1)[0]


def _largest_neighbour(labels):
    """The largest label among a block (x, y, z) and its 26 neighbours."""
    for axis in range(3):
        ends = [[1 if a == axis else 0] * 2 for a in range(3)]
        padded, n = tf.pad(labels, ends), tf.shape(labels)[axis]
        shifted = [tf.gather(padded, tf.range(n) + by, axis=axis) for by in range(3)]
        labels = tf.maximum(tf.maximum(shifted[0], shifted[1]), shifted[2])
    return labels
