import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest

from spine_tf.config import VIEWS, to_dict
from spine_tf.inference.engines.tf_serving import serving_engine
from spine_tf.inference.engines.tf_serving_rest import BYTES_A_VALUE, MOST_BYTES
from spine_tf.support.errors import ModelError, ServerError, SpineError
from tests.support.raw_server import answer, raw_server
from tests.support.served_models import SPEC, publish_by_hand, serving, write_config


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    root = tmp_path_factory.mktemp("rest")
    publish_by_hand(root, 1, level=0.5)
    publish_by_hand(root, 2, level=0.9)
    write_config(root)
    with serving(root) as addresses:
        yield addresses


def _views(pixel: float, n: int = 2):
    return (np.full((n, 32, 32, 3), pixel, np.float32),) * 3


def test_triplets_are_those_of_grpc(served):
    _, grpc, http = served
    engine = serving_engine(http)
    assert engine.name == f"{http}/2"
    assert engine.spec == SPEC
    assert engine.volume is None
    views = np.random.default_rng(0).random((3, 3, 32, 32, 3), np.float32)
    found = engine.predict(*views)
    assert (found.shape, found.dtype) == ((3, 32, 32, 3), np.float32)
    np.testing.assert_array_equal(found, serving_engine(grpc).predict(*views))
    assert 0 < found.mean() < 1


def test_a_version_can_be_pinned(served):
    assert serving_engine(f"{served[2]}/1").predict(*_views(0.7)).min() == 1
    assert serving_engine(f"{served[2]}/2").predict(*_views(0.7)).max() == 0


def test_errors_of_the_server_are_one_line(served):
    models, grpc, http = served
    with pytest.raises(ValueError, match=r"no such model or version; .*Latest\(heart\)$"):
        serving_engine(http.replace("spine", "heart"))
    engine = serving_engine(http)
    before = models.asked["serving_default"]
    with pytest.raises(ValueError, match="refused the request") as error:
        engine.predict(*_views(np.inf))
    assert str(error.value) == (f"the server at {http} refused the request. Received: axial must be finite")
    assert models.asked["serving_default"] - before == 1
    with pytest.raises(ValueError, match=r"gRPC and REST have a port of their own"):
        serving_engine(grpc.replace("grpc://", "http://"), attempts=1)


def test_describe_must_have_an_input(tmp_path):
    publish_by_hand(tmp_path, 1, asked=False)
    write_config(tmp_path)
    with serving(tmp_path) as (_, _, http), pytest.raises(ValueError, match=r"an input in its signature describe"):
        serving_engine(http)


def test_a_deadline_ends_a_request(tmp_path):
    publish_by_hand(tmp_path, 1)
    write_config(tmp_path)
    with serving(tmp_path, delay_s=2.0) as (_, _, http), pytest.raises(ValueError, match="took too long"):
        serving_engine(http, deadline_s=0.5)


@pytest.mark.parametrize(
    ("status", "content", "attempts", "expected"),
    [
        (200, b"<html>", 1, r"gRPC and REST have a port .*no JSON object but b'<html>'"),
        (200, b"[1]", 1, r"no JSON object but b'\[1\]'"),
        (200, json.dumps({"ok": True}).encode(), 1, r"does not speak TF Serving's API; .* \{\"ok\": true\}"),
        (500, b"Oops", 1, r"failed \(HTTP 500\). Received: HTTP 500 Internal Server Error Oops"),
        (413, b"", 1, r"has no room for the request"),
        (429, b'{"error": "out of memory"}', 1, r"has no room .*Received: out of memory"),
        (504, b'{"error": "Timed out"}', 1, r"took too long; .*30 s by default\). Received: Timed out"),
        (503, b"", 3, r"does not answer; .*\(attempts: 2\)"),
    ],
)
def test_what_other_servers_say_is_one_line(status, content, attempts, expected):
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with pytest.raises(ValueError, match=expected) as error:
            serving_engine(f"http://127.0.0.1:{server.server_address[1]}/spine", attempts=min(attempts, 2))
    finally:
        server.shutdown()
        server.server_close()
    assert "\n" not in str(error.value)
    assert asked == ["/v1/models/spine/metadata"] * min(attempts, 2)


def test_rest_needs_no_tensorflow(served):
    code = (
        "import sys, numpy as np\n"
        "from spine_tf.inference.engines.tf_serving import serving_engine\n"
        f"engine = serving_engine({served[2]!r})\n"
        "print(engine.predict(*[np.ones((1, 32, 32, 3), np.float32)] * 3).min(), 'tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1.0", "False"]


def _metadata(**changes) -> dict:
    """What TF Serving answers for a model whose signatures are `describe` and `serving_default`."""
    views = {view: {"dtype": "DT_FLOAT"} for view in VIEWS}
    signatures = {
        "serving_default": {"inputs": views, "outputs": {"mask": {"dtype": "DT_FLOAT"}}},
        "describe": {"inputs": {"ask": {"dtype": "DT_INT32"}}, "outputs": {"metadata": {"dtype": "DT_STRING"}}},
    }
    made = {
        "model_spec": {"name": "spine", "version": "1"},
        "metadata": {"signature_def": {"signature_def": signatures}},
    }
    return made | changes


def _answers(metadata=None, describe=None, mask=None):
    """A server's replies in turn: bytes as they are, anything else as JSON."""
    described = {"outputs": json.dumps({"preprocess": to_dict(SPEC)})} if describe is None else describe
    answers = [_metadata() if metadata is None else metadata, described, mask]

    def reply(_):
        made = answers.pop(0)
        return [answer(made if isinstance(made, bytes) else json.dumps(made).encode())]

    return reply


def _signatures(inside) -> dict:
    return _metadata(metadata={"signature_def": {"signature_def": inside}})


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        _metadata(metadata=5),
        _metadata(model_spec={"version": "two"}),
        _metadata(model_spec={"version": [1]}),
        _metadata(model_spec={"version": float("inf")}),
        _metadata(model_spec=None),
        _signatures(5),
        _signatures([1]),
        _signatures({"serving_default": 5}),
        _signatures({"serving_default": {"inputs": 5}}),
        _signatures({"serving_default": {"inputs": {"axial": 5}}}),
        _signatures({"serving_default": {"inputs": {"axial": {"dtype": [1]}}}}),
        _signatures({"serving_default": {"inputs": {}, "outputs": 5}}),
        b'{"a": ' + b"[" * 3000 + b"]" * 3000 + b"}",
        b"",
        b"\xff\xfe",
    ],
)
def test_half_answers_of_metadata_are_one_line(metadata):
    with raw_server(_answers(metadata)) as (port, _), pytest.raises(ServerError, match="does not speak") as error:
        serving_engine(f"http://127.0.0.1:{port}/spine", attempts=1)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("5", "no JSON object"),
        ("[" * 3000, "nested too deeply"),
        ('{"preprocess": {"image_size": NaN}}', "the number NaN"),
        ('{"preprocess": {"pixel_mm": 1e999}}', "the number 1e999"),
        ('{"preprocess": [1]}', r"preprocess=\[1\]"),
        ('{"preprocess": {"image_size": "many"}}', "valid"),
        ('{"preprocess": {"image_size": null}}', "valid"),
        ('{"preprocess": {"window_hu": 5}}', "valid"),
        ('{"preprocess": {"no_such_field": 5}}', "valid"),
        ("{}", "preprocess"),
    ],
)
def test_a_model_that_describes_itself_wrongly_is_one_line(text, words):
    with (
        raw_server(_answers(describe={"outputs": text})) as (port, _),
        pytest.raises(ModelError, match=rf"the model at http.* must have .*{words}") as error,
    ):
        serving_engine(f"http://127.0.0.1:{port}/spine", attempts=1)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "outputs", [None, [], [[1, 2], [3]], {"a": 1}, [[{"a": 1}]], "text", [["text"]], [10**400], [None], [[[[0.5]]]]]
)
def test_outputs_that_are_no_mask_are_one_line(outputs):
    with raw_server(_answers(mask={"outputs": outputs})) as (port, _):
        engine = serving_engine(f"http://127.0.0.1:{port}/spine", attempts=1)
        with pytest.raises(SpineError, match=r"^the (server|model) at http") as error:
            engine.predict(*_views(0.5))
    assert "\n" not in str(error.value)


def test_an_answer_may_be_as_large_as_its_request_allows_and_no_larger():
    mask = json.dumps({"outputs": np.full((2, 32, 32, 3), 0.25).tolist()}).encode()
    most = MOST_BYTES + BYTES_A_VALUE * 3 * (2 * 32 * 32 * 3)
    with raw_server(_answers(mask=mask.ljust(most))) as (port, _):
        assert serving_engine(f"http://127.0.0.1:{port}/spine").predict(*_views(0.5)).max() == 0.25
    with raw_server(_answers(mask=mask.ljust(most + 1))) as (port, _):
        engine = serving_engine(f"http://127.0.0.1:{port}/spine")
        with pytest.raises(ServerError, match=f"an answer of more than {most} bytes"):
            engine.predict(*_views(0.5))


def test_another_host_is_not_asked():
    with raw_server(lambda _: [answer(b"{}")]) as (elsewhere, asked):
        there = f"Location: http://127.0.0.1:{elsewhere}/v1/models/spine/metadata"
        with (
            raw_server(lambda _: [answer(b"", "302 Found", there)]) as (port, _),
            pytest.raises(ServerError, match=r"failed \(HTTP 302\). Received: HTTP 302 Found"),
        ):
            serving_engine(f"http://127.0.0.1:{port}/spine", attempts=1)
    assert asked == []
