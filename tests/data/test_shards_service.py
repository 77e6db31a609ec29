from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from spine_tf.config import AugmentConfig, DataConfig, PreprocessSpec
from spine_tf.data.pipeline import shard_dataset
from spine_tf.data.shards_order import ShardWindows, open_mapped
from spine_tf.data.shards_read import ShardError, open_case
from spine_tf.data.shards_service import served_windows
from spine_tf.data.shards_write import prepare_shards
from spine_tf.data.verse import pair_globs

SPEC = PreprocessSpec(image_size=32)
DATA = DataConfig(batch_size=4, triplets_per_case=4, window_cases=2, workers=1)


@pytest.fixture(scope="module")
def prepared(six_scans, tmp_path_factory):
    folder = tmp_path_factory.mktemp("service") / "shards"
    cases = pair_globs(str(six_scans / "ct" / "*.nii.gz"), str(six_scans / "masks" / "*.nii.gz"))
    return folder, prepare_shards(cases, folder, SPEC, shards_mb=0.13)


@pytest.fixture(scope="module")
def address():
    service = tf.data.experimental.service
    dispatcher = service.DispatchServer(service.DispatcherConfig(port=0))
    config = service.WorkerConfig(dispatcher_address=dispatcher.target.split("://")[1])
    workers = [service.WorkerServer(config) for _ in range(2)]
    yield dispatcher.target
    del workers, dispatcher


def test_cases_from_the_service_are_those_of_the_files_in_the_order_asked_for(prepared, address):
    folder, index = prepared
    wanted = [index["cases"][number] for number in (4, 1, 0)]  # of three shards and both places in one
    for case, entry in zip(served_windows(index, address)(folder, wanted), wanted, strict=True):
        own = open_case(folder, entry)
        assert case.case == own.case
        for name in ("hu", "mask", "points"):
            np.testing.assert_array_equal(getattr(case, name), getattr(own, name))
            assert getattr(case, name).flags.aligned


def test_the_stream_is_that_without_the_service(prepared, address):
    folder, index = prepared
    streams = []
    for open_window in (open_mapped, served_windows(index, address)):
        windows = ShardWindows(folder, index["cases"], DATA, 3, open_window)
        dataset = shard_dataset(windows, SPEC, DATA, AugmentConfig(min_box_mm=10.0), seed=3)
        streams.append([mask.numpy() for _, mask in dataset.take(6)])
        windows.close()
    np.testing.assert_array_equal(*streams)


def test_a_record_that_is_not_the_indexs_is_refused(prepared, address):
    folder, index = prepared
    entry = index["cases"][1]
    with pytest.raises(ShardError, match="case case1: the record must have SHA-256"):
        served_windows(index, address)(folder, [entry | {"sha256": "0" * 64}])


def test_a_service_needs_shards_and_an_address():
    with pytest.raises(ValueError, match="data_service must be None without shards"):
        replace(DATA, data_service="grpc://localhost:5050")
    with pytest.raises(ValueError, match="data_service must be None or grpc://host:port"):
        replace(DATA, shards="shards", data_service="localhost")
