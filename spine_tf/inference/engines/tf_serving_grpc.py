"""Calls TF Serving over gRPC, with the official stubs (which import all of TensorFlow)."""

import math
from collections.abc import Callable
from dataclasses import replace

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2, prediction_service_pb2_grpc

from spine_tf.inference.engines.tf_serving_call import Address, Unavailable, refusal, with_retries

CHANNEL = (
    # gRPC's own limit is 4 MB; protocol buffers' is 2 GiB.
    ("grpc.max_send_message_length", 2**31 - 1),
    ("grpc.max_receive_message_length", 2**31 - 1),
    # A server that comes up is noticed by the next attempt.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 1000),
)


def connect(
    address: Address, deadline_s: float, attempts: int, compress: bool
) -> tuple[Address, dict[str, dict[str, np.dtype]], Callable]:
    """Ask for a model's signatures.

    Args:
        address: the model's.
        deadline_s: for one request, attempts included.
        attempts: while the server is unavailable.
        compress: gzip requests.

    Returns:
        the address with the version that answered; signature name -> input name -> dtype; and
        `run(signature, {input: array}) -> {output: array}`, which asks that version.

    Raises:
        ServerError: one line for whatever the server says.
    """
    compression = grpc.Compression.Gzip if compress else grpc.Compression.NoCompression
    channel = grpc.insecure_channel(address.place, CHANNEL, compression)
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)

    def call(method: Callable, request):
        def attempt(seconds: float):
            try:
                return method(request, timeout=seconds)
            except grpc.RpcError as error:
                if error.code() is grpc.StatusCode.UNAVAILABLE:
                    raise Unavailable(error.details()) from None
                raise refusal(address, error.code().name, error.details() or "") from None

        return with_retries(attempt, address, deadline_s, attempts)

    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    _name(request.model_spec, address)
    answer = call(stub.GetModelMetadata, request)
    pinned = replace(address, version=answer.model_spec.version.value)

    def run(signature: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        request = predict_pb2.PredictRequest()
        _name(request.model_spec, pinned)
        request.model_spec.signature_name = signature
        for name, array in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(array))
        outputs = call(stub.Predict, request).outputs
        most = max(1, sum(array.size for array in inputs.values()))
        try:
            return {name: _array(tensor, most) for name, tensor in outputs.items()}
        except (TypeError, ValueError) as error:
            raise refusal(address, "UNIMPLEMENTED", f"outputs that are no arrays ({error})") from None

    try:
        return pinned, _signatures(answer), run
    except (KeyError, TypeError, DecodeError) as error:
        raise refusal(address, "UNIMPLEMENTED", f"no signatures ({error})") from None


def _name(model_spec, address: Address) -> None:
    model_spec.name = address.name
    if address.version is not None:
        model_spec.version.value = address.version


def _array(tensor, most: int) -> np.ndarray:
    """Read a tensor of at most as many values as the request had: a few bytes can declare any number of equal ones."""
    shape = tuple(dim.size for dim in tensor.tensor_shape.dim)
    if min(shape, default=1) < 0 or math.prod(shape) > most:
        raise ValueError(f"shape {shape}")
    return tf.make_ndarray(tensor)


def _signatures(answer) -> dict[str, dict[str, np.dtype]]:
    """Read signature name -> input name -> dtype."""
    found = get_model_metadata_pb2.SignatureDefMap()
    answer.metadata["signature_def"].Unpack(found)
    return {
        name: {one: np.dtype(tf.dtypes.as_dtype(info.dtype).as_numpy_dtype) for one, info in signature.inputs.items()}
        for name, signature in found.signature_def.items()
    }
