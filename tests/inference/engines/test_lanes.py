"""Functions side by side: each is called by one thread at a time, whoever calls."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
import tensorflow as tf

from spine_tf.config import VIEWS, PreprocessSpec, to_dict
from spine_tf.inference.engines import load_engine
from spine_tf.inference.engines.lanes import in_lanes
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


def test_one_thread_alone_never_has_a_second_function_made():
    make = Counted()
    call = in_lanes(make, lanes=2, alone=3)
    assert [call(n) for n in range(20)] == [0] * 20
    assert make.made == 1


def test_the_first_calls_wait_for_the_first_function():
    make = Counted()
    call = in_lanes(make, lanes=2, alone=30)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(call, range(30))) == [0] * 30
        assert make.made == 1
        list(pool.map(call, range(30)))
    assert make.made == 2


def test_after_an_error_the_lane_is_free_again():
    call = in_lanes(Counted())
    with pytest.raises(ValueError, match="negative"):
        call(-1)
    done = []
    # In a thread of its own: were the lane lost, the call would wait for ever.
    other = threading.Thread(target=lambda: done.append(call(1)), daemon=True)
    other.start()
    other.join(10)
    assert done == [0]


def test_a_network_that_adds_to_convolutions_gives_the_same_from_many_threads(tmp_path, monkeypatch):
    """oneDNN fuses the sums; in one function for all threads this crashes, or gives another batch's sums in part."""
    made = []

    def in_early_lanes(make, lanes):
        def noted():
            made.append(make())
            return made[-1]

        return in_lanes(noted, lanes, alone=2)

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: [])
    monkeypatch.setattr(tf.config.threading, "get_intra_op_parallelism_threads", lambda: 0)
    monkeypatch.setattr("spine_tf.support.device.cores", lambda: 2)
    monkeypatch.setattr("spine_tf.inference.engines.keras_model.in_lanes", in_early_lanes)
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
    assert len(set(map(id, made))) == engine.at_once == 2
