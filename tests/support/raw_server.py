"""A server that answers HTTP requests with the bytes it is given, at its own pace, for tests of clients."""

import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import contextmanager, suppress


def answer(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """An HTTP response with its length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@contextmanager
def raw_server(reply: Callable[[str], Iterable[bytes]]):
    """Serve `reply(path)`, sent part by part; gives the port and the list of paths that were asked for."""
    asked, listening = [], socket.create_server(("127.0.0.1", 0))

    def serve(connection):
        with connection, suppress(OSError):
            request = b""
            while b"\r\n\r\n" not in request:
                request += connection.recv(65536)
            head, _, body = request.partition(b"\r\n\r\n")
            length = next((int(h.split(b":")[1]) for h in head.split(b"\r\n") if h.lower().startswith(b"content-l")), 0)
            while len(body) < length:
                body += connection.recv(65536)
            path = head.split()[1].decode()
            asked.append(path)
            for part in reply(path):
                connection.sendall(part)

    def accept():
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listening.getsockname()[1], asked
    finally:
        listening.close()
