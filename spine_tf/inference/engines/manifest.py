"""Checks a published model against the SHA-256 of its files, so that a damaged or changed one is never loaded.

A model is loaded from a private copy that is hashed while it is made. What was checked is what is loaded, whatever
happens to the folder meanwhile.
"""

import errno
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO

from spine_tf.inference.engines.model_files import METADATA
from spine_tf.support.errors import ModelError
from spine_tf.support.files import write_json
from spine_tf.support.json_reading import parse_object

MANIFEST = "manifest.json"

MOST_BYTES = 16 * 2**20
"""Of a manifest: some 100,000 files."""

MADE_EMPTY = "assets"
"""A folder that TensorFlow makes in every SavedModel, mostly empty; no other may be."""


def write_manifest(folder: Path, names: list[str] | None = None) -> None:
    """Write the manifest of the files now in a folder.

    Args:
        folder: of a model, with regular files and folders that hold some.
        names: of the files to list; None: all.

    Raises:
        ModelError: the folder holds anything else, such as a linked or an empty folder.
    """
    if names is None:
        names, problems = _contents(Path(folder))
        if problems:
            raise _unlike(folder, problems)
    write_json(Path(folder) / MANIFEST, {"files": {name: _sha256(Path(folder) / name) for name in names}})


def verify_manifest(folder: Path, names: tuple[str, ...] | None = None, copy: Path | None = None) -> None:
    """Compare a folder with its manifest.

    Args:
        folder: with a manifest.
        names: of the files that matter; None: all, and there must be no others.
        copy: an empty folder that gets those files, byte for byte as they were compared.

    Raises:
        ModelError: no manifest, a file that is missing, changed, or not in it, or anything but files and the folders
            that they lie in: a linked or an empty folder, a dead link, a pipe, a socket or a device.
    """
    folder = Path(folder)
    listed = _read_manifest(folder)
    if names is None:
        found, problems = _contents(folder)
    else:
        found, problems = [name for name in names if (folder / name).is_file()], []
        listed = {name: listed[name] for name in names if name in listed}
    problems += [f"{name} is missing" for name in sorted({*listed, *(names or ())} - set(found))]
    problems += [f"{name} is not in it" for name in sorted(set(found) - set(listed))]
    for name in sorted(set(found) & set(listed)):
        try:
            digest = _sha256(folder / name, copy and copy / name)
        except OSError as error:
            problems.append(f"{name} cannot be read ({error.strerror})")
            continue
        if digest != listed[name]:
            problems.append(f"{name} was changed")
    if problems:
        raise _unlike(folder, problems)


@contextmanager
def checked_model(path: Path) -> Iterator[Path]:
    """Give the path to load a model from: that of a private copy, which is removed when the block ends.

    Args:
        path: a SavedModel's folder, which must have a manifest; or a file, which is taken as it is, without a copy,
            where no manifest lies beside it. The copy of a file has its `metadata.json` beside it.

    Raises:
        ModelError: as `verify_manifest`.
    """
    folder, names = (path, None) if path.is_dir() else (path.parent, (path.name, METADATA))
    if names is not None and not os.path.lexists(folder / MANIFEST):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="spine_tf-", ignore_cleanup_errors=True) as parent:
        copy = Path(parent) / path.name
        verify_manifest(folder, names, copy if names is None else copy.parent)
        yield copy


def _read_manifest(folder: Path) -> dict[str, str]:
    """Read name -> SHA-256."""
    try:
        with _open_regular(folder / MANIFEST) as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise ValueError(f"more than {MOST_BYTES} bytes")
        return dict(parse_object(content)["files"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"model must have a {MANIFEST}, as export.py writes it. Received: {str(folder)!r} ({error})"
        ) from None


def _contents(folder: Path) -> tuple[list[str], list[str]]:
    """Name the files below a folder, its manifest left out; and say what else there is that may not be."""
    files, problems = [], []
    for path in sorted(folder.rglob("*")):
        name, linked = path.relative_to(folder).as_posix(), path.is_symlink()
        if path.is_file():
            files += [name] if name != MANIFEST else []
        elif linked and not path.exists():
            problems.append(f"{name} is a dead link")
        elif not path.is_dir():
            problems.append(f"{name} is no regular file")
        elif linked:
            problems.append(f"{name} is a linked folder")
        elif not any(path.iterdir()) and name != MADE_EMPTY:
            problems.append(f"{name} is an empty folder")
    return files, problems


def _sha256(path: Path, copy: Path | None = None) -> str:
    """Hash a file, and copy the very bytes."""
    if copy is not None:
        copy.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with _open_regular(path) as file, copy.open("xb") if copy is not None else nullcontext() as kept:
        while part := file.read(2**20):
            digest.update(part)
            if kept is not None:
                kept.write(part)
    return digest.hexdigest()


@contextmanager
def _open_regular(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file, and nothing that has taken its place: to open a pipe would wait for good."""
    with open(path, "rb", opener=_without_waiting) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "no regular file")
        yield file


def _without_waiting(path: str, flags: int) -> int:
    # Windows has no such flag, and no pipes in folders.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _unlike(folder: Path, problems: list[str]) -> ModelError:
    return ModelError(f"model must be as its {MANIFEST} says. Received: {str(folder)!r}: {'; '.join(problems)}")
