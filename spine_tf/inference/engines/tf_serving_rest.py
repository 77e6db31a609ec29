"""Calls TF Serving over REST: JSON, so for triplets and small things only. Needs no TensorFlow.

A server is not trusted: an answer has a deadline and a size, redirects are not followed, and whatever does not fit is
one line.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from http.client import responses

import numpy as np

from spine_tf.inference.engines.http_exchange import exchange
from spine_tf.inference.engines.tf_serving_call import Address, Unavailable, refusal, with_retries
from spine_tf.support.json_reading import parse_object

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

MOST_BYTES = 16 * 2**20
"""Of an answer that holds no pixels."""

BYTES_A_VALUE = 32
"""More for each number sent: an answer has no more numbers than its request, and JSON takes some 20 bytes for one."""


def connect(
    address: Address, deadline_s: float, attempts: int
) -> tuple[Address, dict[str, dict[str, np.dtype]], Callable]:
    """Ask for a model's signatures; arguments, results and errors are those of `tf_serving_grpc.connect`."""

    def call(url: str, values: dict | None = None, most_bytes: int = MOST_BYTES) -> dict:
        body = None if values is None else json.dumps(values, separators=(",", ":")).encode()
        return with_retries(
            lambda seconds: _attempt(address, url, body, seconds, most_bytes), address, deadline_s, attempts
        )

    answer = call(f"{_url(address)}/metadata")
    try:
        definitions = answer["metadata"]["signature_def"]["signature_def"]
        pinned = replace(address, version=int(answer["model_spec"]["version"]))
        inputs = {signature: _inputs(one) for signature, one in definitions.items()}
        names = {signature: list(one.get("outputs", {})) for signature, one in definitions.items()}
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
        raise refusal(address, "UNIMPLEMENTED", json.dumps(answer)) from None

    def run(signature: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        lists = {name: array.tolist() for name, array in inputs.items()}
        most_bytes = MOST_BYTES + BYTES_A_VALUE * sum(array.size for array in inputs.values())
        request = {"signature_name": signature, "inputs": lists}
        found = call(f"{_url(pinned)}:predict", request, most_bytes).get("outputs")
        # An output that is alone comes without its name.
        found = {names[signature][0]: found} if len(names[signature]) == 1 else found
        try:
            return {name: _array(values) for name, values in found.items()}
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise refusal(address, "UNIMPLEMENTED", f"outputs that are no arrays of one kind ({error})") from None

    return pinned, inputs, run


def _url(address: Address) -> str:
    version = "" if address.version is None else f"/versions/{address.version}"
    return f"{address.scheme}://{address.place}/v1/models/{address.name}{version}"


def _inputs(definition: dict) -> dict[str, np.dtype]:
    """Read input name -> dtype of a signature."""
    inputs = definition.get("inputs", {})
    return {name: np.dtype(DTYPES.get(info["dtype"], np.float32)) for name, info in inputs.items()}


def _array(values) -> np.ndarray:
    """Make an array of numbers or of strings; nothing else is a tensor."""
    array = np.asarray(values)
    if array.dtype.kind not in "biufU":
        raise ValueError(f"values of the type {array.dtype}")
    return array


def _attempt(address: Address, url: str, body: bytes | None, seconds: float, most_bytes: int) -> dict:
    """Ask once, and read the answer as a JSON object."""
    try:
        status, content = exchange(url, body, seconds, most_bytes)
    except TimeoutError as error:
        raise refusal(address, "DEADLINE_EXCEEDED", str(error)) from None
    except ConnectionError as error:
        raise Unavailable(str(error)) from None
    except ValueError as error:
        raise refusal(address, "UNIMPLEMENTED", str(error)) from None
    if status == 503:
        raise Unavailable(_words(status, content))
    if status != 200:
        raise refusal(address, CODES.get(status, f"HTTP {status}"), _words(status, content))
    try:
        return parse_object(content, finite=False)
    except ValueError:
        raise refusal(address, "UNIMPLEMENTED", f"no JSON object but {content[:80]!r}") from None


def _words(status: int, content: bytes) -> str:
    """Give a server's own words: the key "error" of its JSON; else the start of what it sent."""
    try:
        return str(parse_object(content, finite=False)["error"])
    except (ValueError, KeyError):
        return f"HTTP {status} {responses.get(status, '')} {content[:80].decode(errors='replace')}"
