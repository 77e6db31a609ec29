import numpy as np
import pytest

from spine_tf.inference.footprint import latencies, peak_memory_mib, speed_ratio


def test_memory_is_that_of_the_model_and_not_of_the_process_that_asks(threshold_run):
    ballast = np.ones(2**30, np.uint8)  # 1 GiB here
    memory = peak_memory_mib(threshold_run, batch_size=1)
    assert 50 < memory["start"] <= memory["peak"] < ballast.nbytes / 2**20


def test_models_are_timed_in_turn(threshold_run):
    seconds = latencies({"one": threshold_run, "other": threshold_run / "best.keras"}, (1, 2), rounds=3)
    assert {size: list(rows) for size, rows in seconds.items()} == {1: ["one", "other"], 2: ["one", "other"]}
    assert all(len(row) == 3 and min(row) > 0 for rows in seconds.values() for row in rows.values())


def test_the_ratio_is_the_median_of_the_rounds_ratios():
    # 2, 4 and 3 times as long; the ratio of the medians would be 4.
    assert speed_ratio([2, 4, 6], [1, 1, 2]) == pytest.approx(3)
