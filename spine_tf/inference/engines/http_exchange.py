"""Sends one HTTP request to a server that is not trusted, and takes an answer of a bounded time and size."""

import ssl
import threading
import time
import urllib.request
from urllib.parse import urlsplit

import urllib3

READ_BYTES = 2**16


def exchange(url: str, body: bytes | None, seconds: float, most_bytes: int) -> tuple[int, bytes]:
    """Send a request and read the whole answer. Redirects are not followed: they are answers, too.

    Args:
        url: http or https. A proxy is taken from the environment, certificates from the system.
        body: JSON to post; None: a GET.
        seconds: for all of it, from the name's look-up to the last byte.
        most_bytes: of the answer.

    Returns:
        the HTTP status and the content, of any status.

    Raises:
        TimeoutError: not done in time, however busily the server is sending.
        ConnectionError: no connection, or one that ends before an answer begins; another attempt makes sense.
        ValueError: an answer that is none of HTTP, is cut short, or is longer than most_bytes.
    """
    outcome = []

    def work():
        try:
            outcome.append(_exchange(url, body, time.monotonic() + seconds, most_bytes))
        except Exception as error:  # handed to the caller
            outcome.append(error)

    # A socket's own time-out begins anew with each byte, and looking up a name has none. The thread is left behind;
    # it ends with the next byte after the deadline, and does not keep the process.
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise TimeoutError(f"no whole answer within {seconds:.3g} s")
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    return outcome[0]


def _exchange(url: str, body: bytes | None, end: float, most_bytes: int) -> tuple[int, bytes]:
    """Send and read; a silent server ends it by the socket's time-out, a dripping one by the clock."""
    timeout = urllib3.Timeout(total=max(end - time.monotonic(), 1e-3))
    headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
    try:
        with _pool(url) as pool:
            response = pool.request(
                "GET" if body is None else "POST",
                url,
                body=body,
                headers=headers,
                timeout=timeout,
                retries=False,
                redirect=False,
                preload_content=False,
            )
            # decode_content=False: what is zipped all the same would be larger than what is counted.
            content = bytearray()
            while part := response.read1(READ_BYTES, decode_content=False):
                content += part
                if len(content) > most_bytes:
                    raise ValueError(f"an answer of more than {most_bytes} bytes")
                if time.monotonic() > end:
                    raise TimeoutError("the answer drips in")
            response.close()
    except urllib3.exceptions.InvalidHeader as error:
        raise ValueError(str(error)) from None
    except urllib3.exceptions.NewConnectionError as error:  # a kind of TimeoutError there
        raise ConnectionError(str(error)) from None
    except urllib3.exceptions.TimeoutError as error:
        raise TimeoutError(str(error)) from None
    except urllib3.exceptions.ProtocolError as error:
        reason = error.args[-1]
        # Reset before or while it answers: as good as down. Anything else is not HTTP, or not all of it.
        if isinstance(reason, ConnectionError):
            raise ConnectionError(str(reason)) from None
        raise ValueError(f"{type(reason).__name__}: {reason}") from None
    except urllib3.exceptions.HTTPError as error:
        raise ConnectionError(str(error)) from None
    return response.status, bytes(content)


def _pool(url: str) -> urllib3.PoolManager:
    """Make a pool for one request: through the environment's proxy, where it names one for the host."""
    parts, context = urlsplit(url), ssl.create_default_context()
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not urllib.request.proxy_bypass(parts.hostname):
        return urllib3.ProxyManager(proxy, ssl_context=context)
    return urllib3.PoolManager(ssl_context=context)
