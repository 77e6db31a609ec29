"""The backend of NumPy: ranges one behind the other, and batches of a network several at once."""

import threading
import time

import numpy as np
import pytest

from spine_tf.views.backend import NumpyBackend


@pytest.mark.parametrize("method", ["chunks", "batches"])
@pytest.mark.parametrize("n", [1, 3, 4, 7])
def test_ranges_are_joined_in_their_order(method, n):
    ranges = []

    def of_range(start, stop):
        ranges.append((start, stop))
        return np.arange(start, stop, dtype="int16")[:, None]

    joined = getattr(NumpyBackend(), method)(of_range, n, 3)
    assert joined.dtype == "int16"
    np.testing.assert_array_equal(joined, np.arange(n)[:, None])
    assert ranges == [(start, min(start + 3, n)) for start in range(0, n, 3)]


def test_two_batches_at_once():
    both = threading.Barrier(2, timeout=10)

    def of_range(start, stop):
        both.wait()  # never passed by one alone
        return np.full(stop - start, start)

    np.testing.assert_array_equal(NumpyBackend(at_once=2).batches(of_range, 7, 2), [0, 0, 2, 2, 4, 4, 6])


@pytest.mark.parametrize("at_once", [1, 2])
def test_an_error_in_a_batch_ends_it(at_once):
    begun = []

    def of_range(start, stop):
        begun.append(start)
        time.sleep(0.001)
        raise ValueError(f"batch at {start}")

    with pytest.raises(ValueError, match="batch at 0"):
        NumpyBackend(at_once=at_once).batches(of_range, 1000, 1)
    assert len(begun) < 1000
