"""The files that configure a server, read by the messages that they are; the health check, run."""

import json
import re
import subprocess

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from tensorflow_serving.config import model_server_config_pb2

from spine_tf.export.batching import BATCHING_PARAMS
from tests.support.paths import ROOT
from tests.support.served_models import publish_by_hand, serving, write_config

FOLDER = ROOT / "saved_models"

OTHERS = """
name: "others.proto" package: "tensorflow.serving" syntax: "proto3"
dependency: "google/protobuf/wrappers.proto"
message_type { name: "PrometheusConfig"
  field { name: "enable" number: 1 type: TYPE_BOOL label: LABEL_OPTIONAL }
  field { name: "path" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL } }
message_type { name: "MonitoringConfig"
  field { name: "prometheus_config" number: 1 type: TYPE_MESSAGE label: LABEL_OPTIONAL
    type_name: ".tensorflow.serving.PrometheusConfig" } }
message_type { name: "BatchingParameters"
  field { name: "max_batch_size" number: 1 type: TYPE_MESSAGE label: LABEL_OPTIONAL
    type_name: ".google.protobuf.Int64Value" }
  field { name: "batch_timeout_micros" number: 2 type: TYPE_MESSAGE label: LABEL_OPTIONAL
    type_name: ".google.protobuf.Int64Value" }
  field { name: "max_enqueued_batches" number: 3 type: TYPE_MESSAGE label: LABEL_OPTIONAL
    type_name: ".google.protobuf.Int64Value" }
  field { name: "num_batch_threads" number: 4 type: TYPE_MESSAGE label: LABEL_OPTIONAL
    type_name: ".google.protobuf.Int64Value" }
  field { name: "allowed_batch_sizes" number: 6 type: TYPE_INT64 label: LABEL_REPEATED } }
"""
"""The fields we use of monitoring_config.proto and session_bundle_config.proto: tensorflow-serving-api has no stubs."""


def _message(name: str):
    from google.protobuf import wrappers_pb2

    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    file = text_format.Parse(OTHERS, descriptor_pb2.FileDescriptorProto())
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"tensorflow.serving.{name}"))()


def test_models_config_serves_the_shipped_model():
    text = (FOLDER / "models.config").read_text()
    read = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    (config,) = read.model_config_list.config
    assert (config.name, config.model_platform) == ("spine-small", "tensorflow")
    assert config.base_path == "/models/spine-small"
    assert (FOLDER / config.name / "metadata.json").is_file()
    assert config.model_version_policy.latest.num_versions == 2
    # What it says in comments is right too.
    for comment in re.findall(
        r"#\s+(?:To go back for everybody:)?\s*((?:model_version_policy|version_labels) .*)", text
    ):
        text_format.Parse(comment, model_server_config_pb2.ModelConfig())


def test_monitoring_config_has_metrics_on():
    read = text_format.Parse((FOLDER / "monitoring.config").read_text(), _message("MonitoringConfig"))
    assert read.prometheus_config.enable
    assert read.prometheus_config.path == "/monitoring/prometheus/metrics"


def test_batching_parameters_follow_their_rules():
    read = text_format.Parse(BATCHING_PARAMS, _message("BatchingParameters"))
    sizes = list(read.allowed_batch_sizes)
    # "in increasing order", "the final entry must equal max_batch_size"
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == read.max_batch_size.value
    with pytest.raises(text_format.ParseError, match="no field named"):
        text_format.Parse("max_batch { value: 1 }", _message("BatchingParameters"))


@pytest.fixture(scope="module")
def compose():
    return (FOLDER / "docker-compose.yml").read_text()


def test_containers_listen_here_alone_and_read_alone(compose):
    ports = re.findall(r"- (\S*:(?:8500|8501))\b", compose)
    assert ports == ["127.0.0.1:8500:8500", "127.0.0.1:8501:8501"]
    assert "target: /models\n      read_only: true" in re.sub(r" {6,}", "      ", compose)
    assert len(re.findall(r"limits:\n +cpus: .*\n +memory: ", compose)) == len(re.findall(r"image: ", compose)) == 2
    flags = re.findall(r"^ +- --(\w+)=(\S+)$", compose, re.MULTILINE)
    assert "enable_batching" not in dict(flags)
    files = [value.removeprefix("/models/") for _, value in flags if value.startswith("/models/")]
    assert files == ["models.config", "monitoring.config"]
    assert all((FOLDER / file).is_file() for file in files)


def test_a_server_on_cpus_has_no_onednn(compose):
    """With it, two requests at once can get wrong masks (docs/serving.md)."""
    cpu = compose[compose.index("\n  cpu:\n") : compose.index("\n  gpu:\n")]
    assert 'TF_ENABLE_ONEDNN_OPTS: "0"' in cpu


def test_the_health_check_tells_a_served_model(compose, tmp_path):
    publish_by_hand(tmp_path, 1)
    write_config(tmp_path)
    # A list in one line of YAML is JSON.
    kind, *command = json.loads(re.search(r"test: (\[.*\])", compose)[1])
    assert kind == "CMD"
    with serving(tmp_path) as (_, _, http):
        port = re.search(r":(\d+)/", http)[1]

        def healthy(name):
            made = [part.replace("8501", port).replace("spine-small", name) for part in command]
            return subprocess.run(made, capture_output=True).returncode == 0

        assert healthy("spine")
        assert not healthy("heart")
    assert not healthy("spine")
