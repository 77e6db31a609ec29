import time

import pytest

from spine_tf.inference.engines.tf_serving_call import (
    Address,
    Unavailable,
    one_line,
    parse_address,
    refusal,
    with_retries,
)
from spine_tf.support.errors import ServerError

HERE = Address("grpc", "localhost", 8500, "spine")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("grpc://localhost:8500/spine", HERE),
        ("grpc://localhost:8500/spine/", HERE),
        ("http://10.0.0.7:8501/spine-small/12", Address("http", "10.0.0.7", 8501, "spine-small", 12)),
        ("https://ct.example.org/a.b_c", Address("https", "ct.example.org", 443, "a.b_c")),
        ("grpc://[::1]:8500/spine", Address("grpc", "::1", 8500, "spine")),
    ],
)
def test_an_address_has_a_server_a_model_and_perhaps_a_version(text, address):
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "ftp://localhost:8500/spine",
        "grpc://localhost/spine",
        "grpc://localhost:8500",
        "grpc://localhost:8500/",
        "grpc://localhost:99999/spine",
        "grpc://localhost:abc/spine",
        "grpc://localhost:8500/spine/newest",
        "grpc://localhost:8500/spine/1/2",
        "http://user@localhost:8501/spine",
        "http://localhost:8501/spine?version=2",
        "http://localhost:8501/v1/models/spine:predict",
        "grpc://:8500/spine",
        "grpc://[::1:8500/spine",
    ],
)
def test_other_addresses_are_refused(text):
    with pytest.raises(ValueError, match=r"model must be grpc://host:port/name.* Received: model='") as error:
        parse_address(text)
    assert str(error.value).endswith(f"Received: model={text!r}")


def test_an_address_is_written_as_it_is_read():
    for text in ("grpc://localhost:8500/spine", "http://[::1]:8501/spine/3"):
        assert str(parse_address(text)) == text


def test_only_an_unavailable_server_is_asked_again():
    calls = []

    def fails_twice(seconds):
        calls.append(seconds)
        if len(calls) < 3:
            raise Unavailable("not yet")
        return "answer"

    start = time.monotonic()
    assert with_retries(fails_twice, HERE, 60.0, 5) == "answer"
    # Waits of 0.5 s and 1 s, each up to half shorter or longer; the time left is passed on.
    assert 0.75 <= time.monotonic() - start <= 2.5
    assert len(calls) == 3
    assert 60 >= calls[0] > calls[1] > calls[2] > 57

    def refused(seconds):
        calls.append(seconds)
        raise refusal(HERE, "INVALID_ARGUMENT", "hu must have the shape (x, y, z)")

    with pytest.raises(ServerError, match="refused the request"):
        with_retries(refused, HERE, 60.0, 5)
    assert len(calls) == 4


def test_attempts_and_time_are_bounded():
    calls = []

    def never(seconds):
        calls.append(seconds)
        raise Unavailable("connection refused")

    expected = "the server at grpc://localhost:8500/spine does not answer; .* Received: connection refused"
    with pytest.raises(ServerError, match=rf"^{expected} \(attempts: 2\)$"):
        with_retries(never, HERE, 60.0, 2)
    start = time.monotonic()
    with pytest.raises(ServerError, match=rf"^{expected} \(attempts: 1\)$"):
        with_retries(never, HERE, 0.1, 5)
    assert len(calls) == 3
    assert time.monotonic() - start < 0.1


def test_what_tensorflow_says_becomes_one_line():
    words = (
        "assertion failed: [hu must have the shape (x, y, z). Received the shape:] [4 3]\n"
        "\t [[{{function_node __inference_x_12}}{{node Assert}}]]\n\t [[StatefulPartitionedCall]]"
    )
    assert one_line(words) == "hu must have the shape (x, y, z). Received the shape: [4 3]"
    assert one_line("Expects arg[0] to be float\n but int16 is provided") == (
        "Expects arg[0] to be float but int16 is provided"
    )
    assert len(one_line("a " * 5000)) == 403


def test_a_code_without_advice_is_named():
    assert str(refusal(HERE, "INTERNAL", "")) == (
        "the server at grpc://localhost:8500/spine failed (INTERNAL). Received: INTERNAL"
    )
