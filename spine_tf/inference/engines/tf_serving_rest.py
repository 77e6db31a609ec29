"""Calls to TF Serving over REST: JSON, so for triplets and small things only. Needs no TensorFlow."""

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from spine_tf.inference.engines.tf_serving_call import Address, Unavailable, refusal, with_retries

CODES = {
    400: "INVALID_ARGUMENT",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    413: "RESOURCE_EXHAUSTED",
    429: "RESOURCE_EXHAUSTED",
    501: "UNIMPLEMENTED",
    504: "DEADLINE_EXCEEDED",
}
"""The status codes that TF Serving's http_server.cc and proxies write as HTTP status."""

DTYPES = {"DT_FLOAT": np.float32, "DT_INT16": np.int16, "DT_INT32": np.int32, "DT_UINT8": np.uint8, "DT_STRING": object}
"""TensorFlow's names of the dtypes of our signatures."""


def connect(
    address: Address, deadline_s: float, attempts: int
) -> tuple[Address, dict[str, dict[str, np.dtype]], Callable]:
    """Ask for a model's signatures; arguments, results and errors are those of `tf_serving_grpc.connect`."""

    def call(url: str, values: dict | None = None) -> dict:
        body = None if values is None else json.dumps(values, separators=(",", ":")).encode()
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        return with_retries(lambda seconds: _attempt(address, request, seconds), address, deadline_s, attempts)

    answer = call(f"{_url(address)}/metadata")
    try:
        definitions = answer["metadata"]["signature_def"]["signature_def"]
        pinned = replace(address, version=int(answer["model_spec"]["version"]))
    except (KeyError, TypeError, ValueError):
        raise refusal(address, "UNIMPLEMENTED", json.dumps(answer)) from None
    names = {signature: list(one.get("outputs", {})) for signature, one in definitions.items()}

    def run(signature: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        lists = {name: array.tolist() for name, array in inputs.items()}
        found = call(f"{_url(pinned)}:predict", {"signature_name": signature, "inputs": lists}).get("outputs")
        # An output that is alone comes without its name.
        found = found if len(names[signature]) > 1 else {names[signature][0]: found}
        return {name: np.asarray(values) for name, values in found.items()}

    return pinned, {name: _inputs(one) for name, one in definitions.items()}, run


def _url(address: Address) -> str:
    version = "" if address.version is None else f"/versions/{address.version}"
    return f"{address.scheme}://{address.place}/v1/models/{address.name}{version}"


def _inputs(definition: dict) -> dict[str, np.dtype]:
    inputs = definition.get("inputs", {})
    return {name: np.dtype(DTYPES.get(info["dtype"], np.float32)) for name, info in inputs.items()}


def _attempt(address: Address, request: urllib.request.Request, seconds: float) -> dict:
    try:
        with urllib.request.urlopen(request, timeout=seconds) as response:
            content = response.read()
    except urllib.error.HTTPError as error:
        words = _error_of(error)
        if error.code == 503:
            raise Unavailable(words) from None
        raise refusal(address, CODES.get(error.code, f"HTTP {error.code}"), words) from None
    except http.client.HTTPException as error:
        if isinstance(error, ConnectionError):
            raise Unavailable(str(error)) from None
        raise refusal(address, "UNIMPLEMENTED", f"{type(error).__name__}: {error}") from None
    except OSError as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, TimeoutError):
            raise refusal(address, "DEADLINE_EXCEEDED", str(reason)) from None
        raise Unavailable(str(reason)) from None
    try:
        answer = json.loads(content)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise refusal(address, "UNIMPLEMENTED", f"no JSON object but {content[:80]!r}")
    return answer


def _error_of(error: urllib.error.HTTPError) -> str:
    """A server's own words: the key "error" of its JSON; else the start of what it sent."""
    content = error.read()
    try:
        return str(json.loads(content)["error"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {error.code} {error.reason} {content[:80].decode(errors='replace')}"
