import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest

from spine_tf.inference.engines.tf_serving import serving_engine
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
