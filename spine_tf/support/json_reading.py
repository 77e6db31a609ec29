"""Reads JSON that may be damaged or hostile: files of ours, and answers of servers."""

import json
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from spine_tf.support.errors import RunError, SpineError

MOST_JSON_BYTES = 2**24
"""Longest JSON that is read. The index of shards of some 20,000 cases, the longest of ours, has as many."""

DEEPEST_JSON = 32
"""Objects and arrays that may lie in each other. Ours nest less than 10 deep."""


def read_json(
    path: str | Path,
    kind: type[dict] | type[list] = dict,
    error: type[SpineError] = RunError,
    *,
    keys: Iterable[str] = (),
    finite: bool = True,
):
    """Read a JSON file that this package wrote, or one of the kind; what is damaged or hostile is refused.

    Args:
        path: at most `MOST_JSON_BYTES` long.
        kind: `dict` or `list`, which the file must hold.
        error: the kind of error raised.
        keys: of an object, those that must be there.
        finite: refuse NaN and infinity, which are no JSON, and numbers too large for a float.

    Returns:
        The dict or list; nothing in it lies more than `DEEPEST_JSON` levels deep.

    Raises:
        SpineError: `error`, in one line with the file's name.

    Example:
        >>> from spine_tf.support.files import write_json
        >>> write_json("split.json", {"seed": 7})
        >>> read_json("split.json", keys=["seed"])
        {'seed': 7}
        >>> read_json("split.json", list)
        Traceback (most recent call last):
        spine_tf.support.errors.RunError: split.json must be a JSON array. Received: dict
    """
    path = Path(path)
    try:
        # A pipe or a device would never end.
        if path.exists() and not path.is_file():
            raise error(f"{path} must be a file. Received: a folder, a pipe or a device")
        with path.open("rb") as file:
            # No more than the file has: `read` makes room for all that it is asked for.
            content = file.read(min(path.stat().st_size, MOST_JSON_BYTES) + 1)
    except OSError as reason:
        raise error(f"{path} must be a JSON file. Received: {reason.strerror}") from None
    return parse_json(content, str(path), kind, error, keys=keys, finite=finite)


def parse_json(
    content: bytes | str,
    name: str,
    kind: type[dict] | type[list] = dict,
    error: type[SpineError] = RunError,
    *,
    keys: Iterable[str] = (),
    finite: bool = True,
):
    """Parse JSON as `read_json` does, from memory; `name` says in errors where it comes from.

    Example:
        >>> parse_json("[1, 2.5]", "the answer", list)
        [1, 2.5]
    """
    if len(content) > MOST_JSON_BYTES:
        raise error(f"{name} must have at most {MOST_JSON_BYTES} bytes. Received: more")
    hooks = {"parse_float": _finite, "parse_constant": _finite} if finite else {}
    try:
        values = json.loads(content, **hooks)
    except (ValueError, RecursionError) as reason:
        raise error(f"{name} must be JSON. Received: {type(reason).__name__}: {reason}") from None
    if not isinstance(values, kind):
        expected = {dict: "object", list: "array"}[kind]
        raise error(f"{name} must be a JSON {expected}. Received: {type(values).__name__}")
    if _is_deeper(values, DEEPEST_JSON):
        raise error(f"{name} must nest at most {DEEPEST_JSON} levels. Received: more")
    if missing := [key for key in keys if key not in values]:
        raise error(f"{name} must have the keys {list(keys)}. Received: no {missing}")
    return values


@contextmanager
def blaming(path: Path, kind: type[SpineError]) -> Iterator[None]:
    """Raise what the block finds wrong with a file's values as an error of this kind that names the file.

    Example:
        >>> with blaming(Path("prune.json"), RunError):
        ...     raise ValueError("amount must be in [0, 1). Received: amount=1.5")
        Traceback (most recent call last):
        spine_tf.support.errors.RunError: prune.json: amount must be in [0, 1). Received: amount=1.5
    """
    try:
        yield
    except ValueError as error:
        raise kind(f"{path}: {error}") from None


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"a number that is not finite, {text}")
    return number


def _is_deeper(values, levels: int) -> bool:
    """Whether dicts and lists lie in each other over more than so many levels."""
    if not isinstance(values, dict | list):
        return False
    inner = values.values() if isinstance(values, dict) else values
    return not levels or any(_is_deeper(one, levels - 1) for one in inner)


def parse_object(content: str | bytes, *, finite: bool = True) -> dict:
    """Parse the text of a JSON object.

    Args:
        content: text, or bytes in UTF-8, UTF-16 or UTF-32.
        finite: refuse NaN and infinite numbers, which are no JSON; False: take them, as TF Serving writes them.

    Raises:
        ValueError: no JSON, no object, nested too deeply, or a number that is not finite. The message is the reason,
            for a caller who knows where the text came from.

    Example:
        >>> parse_object('{"a": [1, 2]}')
        {'a': [1, 2]}
        >>> parse_object('{"a": NaN}')
        Traceback (most recent call last):
        ValueError: the number NaN
    """
    numbers = {"parse_constant": _refuse_number, "parse_float": _finite_float} if finite else {}
    try:
        values = json.loads(content, **numbers)
    except RecursionError:
        raise ValueError("JSON that is nested too deeply") from None
    if not isinstance(values, dict):
        raise ValueError(f"no JSON object but {str(values)[:80]!r}")
    return values


def _finite_float(text: str) -> float:
    """Read a number with a fraction or an exponent; 1e999 would become infinity."""
    return float(text) if math.isfinite(float(text)) else _refuse_number(text)


def _refuse_number(text: str):
    raise ValueError(f"the number {text}")
