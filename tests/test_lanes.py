"""Functions side by side: each is called by one thread at a time, whoever calls."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest

from spine_tf.config import VIEWS, PreprocessSpec, to_dict
from spine_tf.engines import load_engine
from spine_tf.engines.lanes import in_lanes
from spine_tf.training.checkpoint import write_metadata


class Counted:
    """Makes functions that refuse to be entered twice, and say which of them was called."""

    def __init__(self):
        self.made = 0

    def __call__(self):
        number, inside = self.made, threading.Lock()
        self.made += 1

        def function(argument):
            assert inside.acquire(blocking=False)
            time.sleep(0.001)
            inside.release()
            if argument < 0:
                raise ValueError("negative")
            return number

        return function


@pytest.mark.parametrize("lanes", [1, 2, 3])
def test_no_function_is_entered_twice(lanes):
    make = Counted()
    call = in_lanes(make, lanes, alone=4)
    with ThreadPoolExecutor(4) as pool:
        who = list(pool.map(call, range(60)))
    assert make.made == lanes
    assert set(who) == set(range(lanes))


def test_two_lanes_are_at_work_at_the_same_time():
    both = threading.Barrier(2, timeout=10)
    call = in_lanes(lambda: both.wait, lanes=2, alone=0)
    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(lambda _: call(), range(2))) == [0, 1]


def test_the_first_is_alone_for_some_calls_and_with_one_thread_for_ever():
    make = Counted()
    call = in_lanes(make, lanes=2, alone=3)
    assert [call(n) for n in range(3)] == [0, 0, 0]
    assert make.made == 1
    assert len({call(n) for n in range(20)}) == 1
    assert make.made == 2


def test_after_an_error_the_lane_is_free_again():
    call = in_lanes(Counted())
    with pytest.raises(ValueError, match="negative"):
        call(-1)
    assert call(1) == 0


def test_a_network_that_adds_to_convolutions_gives_the_same_from_many_threads(tmp_path, monkeypatch):
    """oneDNN fuses the sums; in one function for all threads this crashes, or gives another batch's sums in part."""
    monkeypatch.setattr("spine_tf.device.cores", lambda: 2)
    monkeypatch.setattr("spine_tf.engines.keras_model.in_lanes", lambda make, lanes: in_lanes(make, lanes, alone=2))
    keras.utils.set_random_seed(0)
    inputs = [keras.Input((32, 32, 3), name=view) for view in VIEWS]
    x = keras.layers.Conv2D(16, 1)(keras.layers.Concatenate()(inputs))
    for _ in range(6):
        x = keras.layers.ReLU()(keras.layers.Add()([keras.layers.Conv2D(16, 1)(x), x]))
    model = keras.Model(inputs, keras.layers.Conv2D(3, 1, activation="sigmoid", name="mask")(x))
    model.save(tmp_path / "best.keras")
    write_metadata(tmp_path, {"preprocess": to_dict(PreprocessSpec(image_size=32))})
    engine, rng = load_engine(tmp_path, batch_size=2), np.random.default_rng(0)
    batches = [rng.random((3, 2, 32, 32, 3), np.float32) for _ in range(8)]
    wanted = [engine.predict(*views) for views in batches]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda n: engine.predict(*batches[n % 8]), range(1600)))
    for n, masks in enumerate(found):
        np.testing.assert_array_equal(masks, wanted[n % 8])
