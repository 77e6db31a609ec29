"""SHA-256 of every file of a published model, so that a damaged or changed one is refused before it is loaded."""

import hashlib
import json
from pathlib import Path

from spine_tf.support.errors import ModelError
from spine_tf.support.files import write_json

MANIFEST = "manifest.json"


def write_manifest(folder: Path) -> None:
    """Write the manifest of all files now in the folder."""
    write_json(Path(folder) / MANIFEST, {"files": _digests(Path(folder))})


def verify_manifest(folder: Path, names: tuple[str, ...] | None = None) -> None:
    """Compare a folder with its manifest.

    Args:
        folder: with a manifest.
        names: of the files that matter; None: all, and there must be no others.

    Raises:
        ModelError: no manifest, or a file that is missing, changed, or not in it.
    """
    path = Path(folder) / MANIFEST
    try:
        listed = dict(json.loads(path.read_text())["files"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"model must have a {MANIFEST}, as export.py writes it. Received: {str(folder)!r} ({error})"
        ) from None
    found = _digests(Path(folder))
    if names is not None:
        listed, found = ({name: one[name] for name in names if name in one} for one in (listed, found))
    problems = [f"{name} is missing" for name in sorted(set(listed) - set(found))]
    problems += [f"{name} is not in it" for name in sorted(set(found) - set(listed))]
    problems += [f"{name} was changed" for name in sorted(set(found) & set(listed)) if found[name] != listed[name]]
    if problems:
        raise ModelError(f"model must be as its {MANIFEST} says. Received: {str(folder)!r}: {'; '.join(problems)}")


def _digests(folder: Path) -> dict[str, str]:
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file() and path != folder / MANIFEST)
    return {path.relative_to(folder).as_posix(): _sha256(path) for path in paths}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
