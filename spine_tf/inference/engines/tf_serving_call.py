"""What calls over gRPC and REST share: the address, how long to try, and one clear line for what a server says."""

import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from spine_tf.support.errors import ServerError

FORM = "grpc://host:port/name[/version], http://host:port/name[/version] or https://host[:port]/name[/version]"

FIRST_WAIT_S = 0.5
"""Before the second attempt; each later wait is twice as long, all of them up to half longer or shorter at random."""

ADVICE = {
    "NOT_FOUND": "has no such model or version; see its models.config and what its version policy keeps",
    "INVALID_ARGUMENT": "refused the request",
    "FAILED_PRECONDITION": "refused the request; its model must be one that this project exported",
    "DEADLINE_EXCEEDED": "took too long; allow more time (over REST a server has a limit of its own, 30 s by default)",
    "RESOURCE_EXHAUSTED": "has no room for the request or its answer; raise its message size or memory, or send less",
    "UNAVAILABLE": "does not answer; see that it is running, and that host and port are right",
    "UNIMPLEMENTED": "does not speak TF Serving's API; gRPC and REST have a port of their own (8500 and 8501)",
}
"""What each status code means to the person who called, and what to do."""

LONGEST = 400
"""Characters of a server's own words that are passed on."""


@dataclass(frozen=True)
class Address:
    """Where a model is served; version None: the newest. `str` gives it as it was written."""

    scheme: str
    host: str
    port: int
    name: str
    version: int | None = None

    def __str__(self):
        version = "" if self.version is None else f"/{self.version}"
        return f"{self.scheme}://{self.place}/{self.name}{version}"

    @property
    def place(self) -> str:
        """host:port, with the brackets that IPv6 needs."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Unavailable(Exception):
    """The server cannot be reached just now, so that another attempt makes sense."""


def parse_address(text: str) -> Address:
    """Read an address.

    Raises:
        ValueError: it has not the form that the message gives.
    """
    try:
        parts = urlsplit(text)
        port = parts.port or (443 if parts.scheme == "https" else None)
    except ValueError:
        parts, port = urlsplit(""), None
    path = re.fullmatch(r"/([A-Za-z0-9][A-Za-z0-9._-]*)(?:/([0-9]+))?/?", parts.path)
    plain = not (parts.query or parts.fragment or parts.username)
    if parts.scheme not in ("grpc", "http", "https") or not (parts.hostname and port and path and plain):
        raise ValueError(f"model must be {FORM}. Received: model={text!r}")
    name, version = path.groups()
    return Address(parts.scheme, parts.hostname, port, name, None if version is None else int(version))


def with_retries(call: Callable[[float], object], address: Address, deadline_s: float, attempts: int):
    """What `call` returns, given the seconds that are left; tried again only while it raises `Unavailable`.

    Raises:
        ServerError: still unavailable at the last attempt, or no time left for another.
    """
    end = time.monotonic() + deadline_s
    for attempt in range(attempts):
        try:
            return call(max(end - time.monotonic(), 1e-3))
        except Unavailable as error:
            last = error
        wait_s = FIRST_WAIT_S * 2**attempt * random.uniform(0.5, 1.5)
        if attempt + 1 == attempts or time.monotonic() + wait_s >= end:
            break
        time.sleep(wait_s)
    raise refusal(address, "UNAVAILABLE", f"{last} (attempts: {attempt + 1})")


def refusal(address: Address, code: str, words: str) -> ServerError:
    """One line from a status code (`ADVICE`) and what the server said."""
    advice = ADVICE.get(code, f"failed ({code})")
    return ServerError(f"the server at {address} {advice}. Received: {one_line(words) or code}")


def one_line(words: str) -> str:
    """The words of a server on one line: a guard's sentence without the graph around it, at most `LONGEST` long."""
    # TensorFlow writes: ... assertion failed: [sentence] [values] \n\t [[{{node ...}}]]
    words = re.sub(r"\[\[\{\{.*", "", words, flags=re.DOTALL)
    words = re.sub(r".*assertion failed: \[(.*?)\]", r"\1", words, flags=re.DOTALL)
    words = " ".join(words.split())
    return words if len(words) <= LONGEST else f"{words[:LONGEST]}..."
