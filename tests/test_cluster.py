import json

import pytest

from spine_tf.config import TrainConfig
from spine_tf.training.cluster import Cluster, WorkerError, check_switches, read_cluster


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
