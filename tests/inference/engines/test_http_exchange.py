import itertools
import threading
import time

import pytest

from spine_tf.inference.engines.http_exchange import exchange
from tests.support.raw_server import answer, raw_server

MB = 10**6


def _ask(reply, seconds=5.0, most_bytes=MB, body=None):
    with raw_server(reply) as (port, _):
        return exchange(f"http://127.0.0.1:{port}/path", body, seconds, most_bytes)


def test_status_and_content_come_back():
    assert _ask(lambda path: [answer(path.encode())]) == (200, b"/path")
    assert _ask(lambda _: [answer(b"no", "404 Not Found")], body=b"{}") == (404, b"no")
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    assert _ask(lambda _: [chunked]) == (200, b"abcde")


def _dripping(head: bytes, drop: bytes):
    def reply(_):
        yield head
        while True:
            time.sleep(0.02)
            yield drop

    return reply


@pytest.mark.parametrize(
    "reply",
    [
        _dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"."),
        _dripping(b"HTTP/1.1 200 OK\r\nX: ", b"."),
        _dripping(b"", b"\x20"),
        _dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n.\r\n"),
        lambda _: itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["body", "head", "status", "chunks", "continue"],
)
def test_a_busy_server_does_not_put_the_deadline_off(reply):
    start = time.monotonic()
    with pytest.raises((TimeoutError, ValueError)):
        _ask(reply, seconds=0.3)
    assert time.monotonic() - start < 1.0


def test_a_silent_server():
    def reply(_):
        ended.wait(3)
        yield b""

    ended, start = threading.Event(), time.monotonic()
    with pytest.raises(TimeoutError):
        _ask(reply, seconds=0.3)
    assert time.monotonic() - start < 1.0
    ended.set()


@pytest.mark.parametrize("head", [b"Content-Length: 1500000000", b"X-No: length"])
def test_an_answer_without_an_end_is_left(head):
    def reply(_):
        yield b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n"
        while True:
            sent.append(MB)
            yield b"." * MB

    sent = []
    with pytest.raises(ValueError, match="an answer of more than 1000000 bytes"):
        _ask(reply)
    assert sum(sent) < 50 * MB


def test_what_is_zipped_is_not_unzipped():
    zipped = answer(b"\x1f\x8b\x08 whatever", "200 OK", "Content-Encoding: gzip")
    assert _ask(lambda _: [zipped]) == (200, b"\x1f\x8b\x08 whatever")


def test_a_redirect_is_an_answer():
    with raw_server(lambda _: [answer(b"{}")]) as (elsewhere, asked):
        there = f"Location: http://127.0.0.1:{elsewhere}/secret"
        assert _ask(lambda _: [answer(b"gone", "302 Found", there)]) == (302, b"gone")
        assert _ask(lambda _: [answer(b"gone", "307 Temporary Redirect", there)], body=b"{}") == (307, b"gone")
    assert asked == []


@pytest.mark.parametrize(
    "sent",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % number for number in range(200)) + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5, 7\r\n\r\nabcde",
    ],
    ids=["cut", "cut-chunk", "no-chunk", "ssh", "status", "many-headers", "long-header", "two-lengths"],
)
def test_half_an_answer_is_none(sent):
    with pytest.raises(ValueError, match=r"^\w+"):
        _ask(lambda _: [sent])


def test_a_connection_that_ends_at_once_may_be_tried_again():
    with pytest.raises(ConnectionError):
        _ask(lambda _: [b""])
    with pytest.raises(ConnectionError):
        exchange("http://127.0.0.1:9/path", None, 5.0, MB)
    with pytest.raises(ConnectionError):
        exchange("http://no-such-host.invalid:80/path", None, 5.0, MB)
