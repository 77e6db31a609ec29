import json
from dataclasses import replace

import numpy as np
import pytest

from spine_tf.config import PreprocessSpec
from spine_tf.data.shards_encode import encode_case
from spine_tf.data.shards_read import read_example
from tests.support.scans import bright_block_case, bright_block_hu

SPEC = PreprocessSpec(image_size=32, body_box=False)


@pytest.mark.parametrize("offset", [12, 13])
def test_a_record_holds_the_case_and_its_hu_start_at_an_even_place(tmp_path, offset):
    record, shape = encode_case(bright_block_case(tmp_path, "a"), SPEC, offset)
    features = read_example(memoryview(record))
    hu = bright_block_hu()
    assert shape == list(hu.shape)
    assert (offset + record.index(bytes(features["hu"]))) % 2 == 0
    np.testing.assert_array_equal(np.frombuffer(features["hu"], "<i2").reshape(shape), hu)
    np.testing.assert_array_equal(np.frombuffer(features["mask"], np.uint8).reshape(shape), hu == 1000)
    assert bytes(features["case_id"]) == b"a"
    assert json.loads(bytes(features["facts"]))["spacing_mm"] == [1.0, 1.0, 1.0]


def test_planes_without_truth_are_marked_in_the_record(tmp_path):
    record, shape = encode_case(replace(bright_block_case(tmp_path, "a"), complete=False), SPEC, 12)
    mask = np.frombuffer(read_example(memoryview(record))["mask"], np.uint8).reshape(shape)
    # The block's planes are 3 to 12 of 20; L1 is neither the topmost nor the last vertebra of a spine.
    assert np.flatnonzero((mask == 2).all(axis=(0, 1))).tolist() == [0, 1, 2, *range(13, 20)]
