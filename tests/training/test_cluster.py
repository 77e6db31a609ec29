import json

import pytest
import tensorflow as tf

from spine_tf.config import TrainConfig
from spine_tf.training.cluster import Cluster, WorkerError, check_switches, lost_workers, read_cluster


def _config(cluster, kind="worker", index=0) -> dict[str, str]:
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})}


def test_a_process_without_tf_config_or_with_one_worker_is_alone():
    assert read_cluster({}) is None
    assert read_cluster({"TF_CONFIG": ""}) is None
    assert read_cluster(_config({"worker": ["a:1"]})) is None


def test_workers_are_numbered_from_the_chief():
    assert read_cluster(_config({"worker": ["a:1", "b:1"]}, index=1)) == Cluster(("a:1", "b:1"), 1)
    with_chief = {"worker": ["a:1", "b:1"], "chief": ["c:1"]}
    assert read_cluster(_config(with_chief, "chief")) == Cluster(("c:1", "a:1", "b:1"), 0)
    assert read_cluster(_config(with_chief, "worker", 1)) == Cluster(("c:1", "a:1", "b:1"), 2)


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"TF_CONFIG": "worker 0"}, "must be JSON"),
        ({"TF_CONFIG": "[1]"}, "must be JSON"),
        (_config({"worker": ["a:1", "b:1"], "ps": ["c:1"]}), r"Received: \['ps'\]"),
        (_config({"worker": ["a:1", "b:1"]}, "evaluator"), r"Received: \['evaluator'\]"),
        (_config({"chief": ["a:1", "b:1"]}, "chief"), "one chief at most"),
        (_config({"worker": ["a:1", "b:1"]}, index=2), "must be in its cluster. Received: worker 2"),
    ],
)
def test_a_wrong_tf_config_is_refused_in_one_sentence(environ, message):
    with pytest.raises(WorkerError, match=message):
        read_cluster(environ)


@pytest.mark.parametrize("switch", [{"mirrored": True}, {"jit_compile": True}, {"accumulate": 2}])
def test_switches_that_several_workers_cannot_have(switch):
    check_switches(TrainConfig())
    with pytest.raises(WorkerError, match=next(iter(switch))):
        check_switches(TrainConfig(**switch))


@pytest.mark.parametrize("switch", [{"jit_compile": True}, {"accumulate": 2}])
def test_switches_that_several_devices_cannot_have(switch):
    check_switches(TrainConfig(mirrored=True), "devices")
    with pytest.raises(WorkerError, match=f"{next(iter(switch))} must be off with several devices"):
        check_switches(TrainConfig(mirrored=True, **switch), "devices")


@pytest.mark.parametrize(
    ("kind", "message", "telling"),
    [
        (tf.errors.UnavailableError, "", "without a message"),
        (tf.errors.AbortedError, "first line\n  Collective ops is aborted by: peer down\n", "aborted by: peer down"),
        (tf.errors.InternalError, "RPC of /job:worker/task:1 failed", "task:1 failed"),
        (tf.errors.FailedPreconditionError, "Coordination agent is in error", "agent is in error"),
    ],
)
def test_what_tensorflow_says_of_a_lost_worker_becomes_one_sentence(kind, message, telling):
    told = f"start all of them again with --resume.*{kind.__name__}.*{telling}"
    with pytest.raises(WorkerError, match=told), lost_workers():
        raise kind(None, None, message)


@pytest.mark.parametrize("kind", [tf.errors.InternalError, tf.errors.FailedPreconditionError])
def test_an_error_that_names_no_worker_stays_what_it_is(kind):
    with pytest.raises(kind, match="convolution algorithm"), lost_workers():
        raise kind(None, None, "no convolution algorithm worked")
