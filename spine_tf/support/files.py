"""Writes files whole or not at all, and reads JSON that may be damaged or hostile.

A file is written under a temporary name beside it, flushed to disk, then renamed.
"""

import gzip
import hashlib
import json
import math
import numbers
import os
import re
import secrets
import shutil
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from spine_tf.support.errors import RunError, SpineError

MOST_JSON_BYTES = 2**24
"""Longest JSON that is read. The index of shards of some 20,000 cases, the longest of ours, has as many."""

DEEPEST_JSON = 32
"""Objects and arrays that may lie in each other. Ours nest less than 10 deep."""


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary path that becomes `path` when the block ends well, and is removed when it does not.

    It has the same folder, which is made, and the same ending, from which some writers tell the format.

    Args:
        path: an existing file is replaced.

    Example:
        >>> with whole_file("masks/a.txt") as part:
        ...     size = part.write_text("spine")
        >>> Path("masks/a.txt").read_text()
        'spine'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{secrets.token_hex(4)}.{path.name}")
    try:
        yield part
        flush(part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def remove_parts(folder: Path, names: Collection[str] | None = None) -> None:
    """Remove the temporary files and folders that killed writers left in a folder. Nobody may be writing them.

    Args:
        folder: looked at alone, not what is below it.
        names: of what they should have become; None: any file, and no folder.

    Example:
        >>> size = Path(".2536c9fd.best.keras").write_text("half a")
        >>> remove_parts(".")
        >>> Path(".2536c9fd.best.keras").exists()
        False
    """
    for path in Path(folder).glob(".*"):
        part = re.fullmatch(r"\.[0-9a-f]{8}\.(.+)", path.name)
        if part is None or (names is not None and part[1] not in names):
            continue
        if path.is_dir() and not path.is_symlink():
            if names is not None:
                shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    with whole_file(path) as part:
        part.write_bytes(content)


def write_gzip(path: Path, content: bytes, level: int = 6) -> None:
    """Write a gzip file whole or not at all; without a time stamp, so that the same content is the same file."""
    write_bytes(path, gzip.compress(content, compresslevel=level, mtime=0))


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file whole or not at all."""
    write_bytes(path, text.encode())


def write_json(path: Path, values) -> None:
    """Write indented JSON, whole or not at all.

    Args:
        path: an existing file is replaced.
        values: of JSON's types; others, such as paths, are written as their text.

    Raises:
        ValueError: NaN or infinity, which are no JSON (`json_values` names them).

    Example:
        >>> write_json("a.json", {"side": Path("left")})
        >>> print(Path("a.json").read_text(), end="")
        {
          "side": "left"
        }
    """
    write_text(path, json.dumps(values, indent=2, default=str, allow_nan=False) + "\n")


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
            content = file.read(MOST_JSON_BYTES + 1)
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


def json_values(values):
    """Replace NaN and infinity, in dicts and lists too, by their names "nan", "inf" and "-inf".

    JSON has neither, and a report of a run that blew up must be written too. NumPy's floats become Python's.

    Example:
        >>> json_values({"loss": [0.5, math.nan]})
        {'loss': [0.5, 'nan']}
    """
    if isinstance(values, dict):
        return {key: json_values(value) for key, value in values.items()}
    if isinstance(values, list):
        return [json_values(value) for value in values]
    if isinstance(values, numbers.Real) and not isinstance(values, numbers.Integral):
        return float(values) if math.isfinite(values) else repr(float(values))
    return values


def file_sha256(path: Path) -> str:
    """Compute the SHA-256 of a file, in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def flush(path: Path) -> None:
    """Have the system write a file, or a folder's list of names, to disk now; Windows keeps such lists itself."""
    if os.name == "nt" and Path(path).is_dir():
        return
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
