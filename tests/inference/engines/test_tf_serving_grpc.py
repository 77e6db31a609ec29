from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest
import tensorflow as tf

from spine_tf.inference.engines.tf_serving import serving_engine
from spine_tf.inference.engines.tf_serving_call import ADVICE
from spine_tf.support.errors import ServerError, SpineError
from tests.support.contract_server import Models, start_grpc
from tests.support.served_models import publish_by_hand, write_config

CODES = [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK]


@pytest.fixture(scope="module")
def refusing():
    """A server that answers every call with the status code that is set."""
    told = []

    def refuse(_, context):
        context.abort(told[-1], "a sentence\nof two lines")

    class Calls(grpc.GenericRpcHandler):
        def service(self, _):
            return grpc.unary_unary_rpc_method_handler(refuse)

    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((Calls(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield told, f"grpc://127.0.0.1:{port}/spine"
    server.stop(None).wait()


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.name)
def test_each_status_code_is_one_line(refusing, code):
    told, address = refusing
    told.append(code)
    with pytest.raises(ServerError) as error:
        serving_engine(address, attempts=1)
    assert str(error.value).startswith(f"the server at {address} {ADVICE.get(code.name, f'failed ({code.name})')}. ")
    assert "Received: a sentence of two lines" in str(error.value)
    assert "\n" not in str(error.value)


def _answering(tmp_path, change):
    """A contract server whose answers to Predict are changed before they are sent."""
    publish_by_hand(tmp_path, 1)
    write_config(tmp_path)

    class Changed(Models):
        def predict(self, request):
            made = super().predict(request)
            change(request.model_spec.signature_name, made.outputs)
            return made

    server, port = start_grpc(Changed(tmp_path / "models.config", tmp_path))
    return server, f"grpc://127.0.0.1:{port}/spine"


def _huge(name, outputs):
    if name == "serving_default":
        outputs["mask"].CopyFrom(tf.make_tensor_proto(1.0, shape=(1,)))
        outputs["mask"].tensor_shape.dim[0].size = 10**12


def _negative(name, outputs):
    if name == "serving_default":
        outputs["mask"].tensor_shape.dim[0].size = -1


def _short(name, outputs):
    if name == "serving_default":
        outputs["mask"].tensor_content = b"abc"


def _text(name, outputs):
    if name == "serving_default":
        outputs["mask"].CopyFrom(tf.make_tensor_proto(np.full((2, 32, 32, 3), "text")))


def _nothing(name, outputs):
    if name == "serving_default":
        del outputs["mask"]


def _other_dtype(name, outputs):
    if name == "serving_default":
        outputs["mask"].dtype = 9999


@pytest.mark.parametrize("change", [_huge, _negative, _short, _text, _nothing, _other_dtype])
def test_outputs_that_are_no_mask_are_one_line(tmp_path, change):
    server, address = _answering(tmp_path, change)
    try:
        engine = serving_engine(address, attempts=1)
        with pytest.raises(SpineError, match=r"^the (server|model) at grpc") as error:
            engine.predict(*(np.full((2, 32, 32, 3), 0.5, np.float32),) * 3)
    finally:
        server.stop(None).wait()
    assert "\n" not in str(error.value)
