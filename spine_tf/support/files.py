"""Writes files whole or not at all: under a temporary name beside them, flushed to disk, then renamed."""

import gzip
import hashlib
import json
import math
import numbers
import os
import re
import secrets
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path


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
