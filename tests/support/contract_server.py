"""A contract server: what TF Serving promises a client, on its official protocol buffers, for real SavedModels.

It stands in for `tensorflow_model_server` in tests and rehearsals, not in production. It reads a `models.config`,
serves numbered versions by their policy, checks requests and writes errors and tensors as TF Serving's sources do.
Unlike TF Serving it looks for new versions and configs at each request, loads a version when it is first asked for,
and has no warm-up and no batching. REST is in `contract_rest.py`.

    TF_ENABLE_ONEDNN_OPTS=0 python -m tests.support.contract_server saved_models/models.config \
        --mount saved_models --port 8500 --rest-api-port 8501
"""

import argparse
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf import text_format
from tensorflow.core.framework import tensor_pb2
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)
from tensorflow_serving.config import model_server_config_pb2

MOUNT = "/models"
"""Where the compose file shows the models' folder to a server; a config's base paths begin with it."""

FIELDS = {tf.float32: "float_val", tf.string: "string_val", tf.uint8: "int_val", tf.int16: "int_val"}
"""Of a TensorProto, by dtype: TF Serving answers with these (kAsProtoField), not with `tensor_content`."""


class Refused(Exception):
    """A status code (a number, the same in TensorFlow and gRPC) and its sentence."""

    def __init__(self, code: int, sentence: str):
        super().__init__(sentence)
        self.code, self.sentence = code, sentence


class Models:
    """The models of a config file, loaded when asked for; `asked` counts requests by signature."""

    def __init__(self, config: Path, mount: Path, delay_s: float = 0.0):
        self.config, self.mount, self.delay_s = Path(config), Path(mount), delay_s
        self.asked, self.lock, self.loaded = Counter(), threading.Lock(), {}

    def versions(self, name: str) -> dict[int, Path]:
        """The versions of a model that its policy has served now."""
        read = text_format.Parse(self.config.read_text(), model_server_config_pb2.ModelServerConfig())
        config = next((one for one in read.model_config_list.config if one.name == name), None)
        if config is None:
            return {}
        base = self.mount / Path(config.base_path).relative_to(MOUNT)
        found = {int(one.name): one for one in base.glob("*") if one.name.isdigit()}
        policy = config.model_version_policy
        wanted = sorted(found)[-(policy.latest.num_versions or 1) :]
        if policy.HasField("all"):
            wanted = sorted(found)
        if policy.HasField("specific"):
            wanted = policy.specific.versions
        return {version: found[version] for version in sorted(wanted) if version in found}

    def find(self, spec) -> tuple[int, object, object]:
        """Version, loaded SavedModel and its signature definitions, for a ModelSpec."""
        served = self.versions(spec.name)
        asked = spec.version.value if spec.HasField("version") else max(served, default=None)
        if asked not in served:
            which = f"Specific({spec.name}, {asked})" if spec.HasField("version") else f"Latest({spec.name})"
            raise Refused(5, f"Servable not found for request: {which}")
        with self.lock:
            path = served[asked]
            if path not in self.loaded:
                graph = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes()).meta_graphs[0]
                self.loaded[path] = tf.saved_model.load(str(path)), graph.signature_def
        return asked, *self.loaded[path]

    def predict(self, request) -> predict_pb2.PredictResponse:
        """Run a signature."""
        name = request.model_spec.signature_name or "serving_default"
        self.asked[name] += 1
        version, loaded, definitions = self.find(request.model_spec)
        if name not in definitions:
            raise Refused(9, f'Serving signature key "{name}" not found.')
        asked, known = set(request.inputs), definitions[name].inputs
        if asked != set(known):
            raise Refused(
                3,
                f"input size does not match signature: {len(asked)}!={len(known)}. Sent extra: {asked - set(known)}. "
                f"Missing but required: {set(known) - asked}.",
            )
        for one, tensor in request.inputs.items():
            if tensor.dtype != known[one].dtype:
                dtypes = [tf.dtypes.as_dtype(number).name for number in (known[one].dtype, tensor.dtype)]
                raise Refused(3, f"Expects {one} to be {dtypes[0]} but {dtypes[1]} is provided")
        time.sleep(self.delay_s)
        try:
            outputs = loaded.signatures[name](**{k: tf.constant(tf.make_ndarray(v)) for k, v in request.inputs.items()})
        except tf.errors.OpError as error:
            raise Refused(error.error_code, error.message) from None
        response = predict_pb2.PredictResponse()
        response.model_spec.name, response.model_spec.signature_name = request.model_spec.name, name
        response.model_spec.version.value = version
        for one, tensor in outputs.items():
            response.outputs[one].CopyFrom(as_proto_field(tensor))
        return response

    def metadata(self, request) -> get_model_metadata_pb2.GetModelMetadataResponse:
        """The signatures of a model."""
        version, _, definitions = self.find(request.model_spec)
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.model_spec.name, response.model_spec.version.value = request.model_spec.name, version
        found = get_model_metadata_pb2.SignatureDefMap()
        for name, definition in definitions.items():
            found.signature_def[name].CopyFrom(definition)
        response.metadata["signature_def"].Pack(found)
        return response

    def status(self, request) -> get_model_status_pb2.GetModelStatusResponse:
        """The state of a model's versions: those served are available."""
        served = self.versions(request.model_spec.name)
        if not served:
            raise Refused(5, f"Could not find any versions of model {request.model_spec.name}")
        state = get_model_status_pb2.ModelVersionStatus.AVAILABLE
        versions = [{"version": version, "state": state} for version in sorted(served, reverse=True)]
        return get_model_status_pb2.GetModelStatusResponse(model_version_status=versions)


def as_proto_field(tensor: tf.Tensor) -> tensor_pb2.TensorProto:
    """As Tensor::AsProtoField writes it."""
    proto = tensor_pb2.TensorProto(dtype=tensor.dtype.as_datatype_enum, tensor_shape=tensor.shape.as_proto())
    getattr(proto, FIELDS[tensor.dtype]).extend(np.asarray(tensor).reshape(-1).tolist())
    return proto


def start_grpc(models: Models, port: int = 0, options: tuple = ()) -> tuple[grpc.Server, int]:
    """Serve PredictionService and ModelService; the server and its port."""

    def answer(method):
        def call(_, request, context):
            try:
                return method(request)
            except Refused as error:
                code = next(one for one in grpc.StatusCode if one.value[0] == error.code)
                context.abort(code, error.sentence)

        return call

    prediction = {"Predict": answer(models.predict), "GetModelMetadata": answer(models.metadata)}
    prediction = type("Prediction", (prediction_service_pb2_grpc.PredictionServiceServicer,), prediction)
    status = {"GetModelStatus": answer(models.status)}
    status = type("Status", (model_service_pb2_grpc.ModelServiceServicer,), status)
    # As main.cc: SetMaxMessageSize(kint32max). Without so_reuseport a port that is taken is refused.
    limits = {"grpc.max_receive_message_length": 2**31 - 1, "grpc.max_send_message_length": 2**31 - 1}
    limits |= {"grpc.so_reuseport": 0, **dict(options)}
    server = grpc.server(ThreadPoolExecutor(4), options=tuple(limits.items()))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(prediction(), server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(status(), server)
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    return server, port


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--mount", type=Path, default=Path("saved_models"), help=f"the folder that is {MOUNT} there")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--rest-api-port", type=int, default=0)
    flags = parser.parse_args()
    # Imported here: it imports this module.
    from tests.support.contract_rest import start_rest

    models = Models(flags.config, flags.mount)
    server, port = start_grpc(models, flags.port)
    _, rest_port = start_rest(models, flags.rest_api_port)
    print(f"grpc://127.0.0.1:{port} http://127.0.0.1:{rest_port}", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    # As the module that contract_rest imports: else there would be two classes Refused.
    from tests.support.contract_server import main as run

    run()
