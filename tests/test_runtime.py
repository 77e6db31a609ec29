"""The runtime of NumPy: ranges and batches, one behind the other."""

import time

import numpy as np
import pytest

from spine_tf.runtime import NumpyRuntime


@pytest.mark.parametrize("method", ["chunks", "batches"])
@pytest.mark.parametrize("n", [1, 3, 4, 7])
def test_ranges_are_joined_in_their_order(method, n):
    ranges = []

    def of_range(start, stop):
        ranges.append((start, stop))
        return np.arange(start, stop, dtype="int16")[:, None]

    joined = getattr(NumpyRuntime(), method)(of_range, n, 3)
    assert joined.dtype == "int16"
    np.testing.assert_array_equal(joined, np.arange(n)[:, None])
    assert ranges == [(start, min(start + 3, n)) for start in range(0, n, 3)]


def test_an_error_in_a_batch_ends_it():
    begun = []

    def of_range(start, stop):
        begun.append(start)
        time.sleep(0.001)
        raise ValueError(f"batch at {start}")

    with pytest.raises(ValueError, match="batch at 0"):
        NumpyRuntime().batches(of_range, 1000, 1)
    assert len(begun) < 1000
