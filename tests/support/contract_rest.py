"""The REST front of the contract server: http_rest_api_handler.cc and json_tensor.cc of TF Serving, for what we use."""

import json
import re
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, predict_pb2

from tests.support.contract_server import Models, Refused

HTTP = {3: 400, 4: 504, 5: 404, 8: 429, 9: 400, 12: 501, 14: 503}
"""HTTP status by status code, as http_server.cc has it; any other is 500."""


def start_rest(models: Models, port: int = 0) -> tuple[ThreadingHTTPServer, int]:
    """Serve the REST API in a thread; the server and its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.reply(lambda: rest_get(models, self.path))

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.reply(lambda: rest_predict(models, self.path, body))

        def reply(self, answer):
            try:
                status, values = 200, answer()
            except Refused as error:
                status, values = HTTP.get(error.code, 500), {"error": error.sentence}
            content = json.dumps(values).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            with suppress(BrokenPipeError):  # a client whose time was up is gone
                self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, server.server_address[1]


def rest_get(models: Models, path: str) -> dict:
    """`/v1/models/NAME[/versions/N][/metadata]`: the states of its versions, or its signatures."""
    match = re.fullmatch(r"/v1/models/([^/:]+)(?:/versions/(\d+))?(/metadata)?", path)
    if match is None:
        raise Refused(3, f"Malformed request: GET {path}")
    to_json = {"preserving_proto_field_name": True, "always_print_fields_with_no_presence": True}
    if match[3] is None:
        request = get_model_status_pb2.GetModelStatusRequest(model_spec=_spec(*match.groups()[:2]))
        return json_format.MessageToDict(models.status(request), **to_json)
    request = get_model_metadata_pb2.GetModelMetadataRequest(model_spec=_spec(*match.groups()[:2]))
    answer, found = models.metadata(request), get_model_metadata_pb2.SignatureDefMap()
    answer.metadata["signature_def"].Unpack(found)
    spec, definitions = (json_format.MessageToDict(one, **to_json) for one in (answer.model_spec, found))
    return {"model_spec": spec, "metadata": {"signature_def": definitions}}


def rest_predict(models: Models, path: str, body: bytes) -> dict:
    """`POST /v1/models/NAME[/versions/N]:predict` in the columnar format, as json_tensor.cc reads and writes it."""
    match = re.fullmatch(r"/v1/models/([^/:]+)(?:/versions/(\d+))?:predict", path)
    if match is None:
        raise Refused(3, f"Malformed request: POST {path}")
    try:
        values = json.loads(body)
    except ValueError as error:
        raise Refused(3, f"JSON Parse error: {error}") from None
    request = predict_pb2.PredictRequest(model_spec=_spec(*match.groups()))
    request.model_spec.signature_name = name = values.get("signature_name", "serving_default")
    definitions = models.find(request.model_spec)[2]
    if name not in definitions:
        raise Refused(3, f'Serving signature name: "{name}" not found in signature def')
    known = definitions[name].inputs
    if not known:
        raise Refused(3, f"Failed to get input map for signature: {name}")
    if "inputs" not in values:
        raise Refused(3, "Missing 'inputs' or 'instances' key")
    for one, info in known.items():
        if one not in values["inputs"]:
            raise Refused(3, f"Missing named input: {one} in 'inputs' object.")
        dtype = tf.dtypes.as_dtype(info.dtype).as_numpy_dtype
        request.inputs[one].CopyFrom(tf.make_tensor_proto(np.asarray(values["inputs"][one], dtype)))
    outputs = {one: tf.make_ndarray(tensor) for one, tensor in models.predict(request).outputs.items()}
    lists = {
        one: np.vectorize(bytes.decode)(a).tolist() if a.dtype == object else a.tolist() for one, a in outputs.items()
    }
    return {"outputs": lists if len(lists) > 1 else next(iter(lists.values()))}


def _spec(name: str, version: str | None) -> dict:
    return {"name": name} | ({} if version is None else {"version": {"value": int(version)}})
