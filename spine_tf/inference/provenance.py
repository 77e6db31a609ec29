"""Says what a result was made from: the bytes of the scan, the model, and the options that change a mask.

A report holds it, so that "done before" means this scan, this model and these options, not a file of the same name.
Only digests are kept: no UID, tag or path of a patient.
"""

import hashlib
import json
import stat
from pathlib import Path

from spine_tf.config import MEMORY_BUDGET_GIB, to_dict
from spine_tf.inference.engines import Engine
from spine_tf.inference.outputs import ENDINGS
from spine_tf.scans.checks import refuse

MASK_OPTIONS = {"clean_up": True, "flips": False, "fast": False, "assume_hu": False}
"""Options that change a mask, and their defaults."""

_CHUNK = 1 << 20


def made_from(
    path: str | Path,
    engine: Engine,
    *,
    series: str | None = None,
    memory_budget_gib: float = MEMORY_BUDGET_GIB,
    **options,
) -> dict:
    """Describe what a mask is made from, as JSON types; equal descriptions give equal masks.

    Args:
        path: a NIfTI file or a folder with a DICOM series.
        engine: the network and its pre-processing.
        series, memory_budget_gib: as `describe_input` takes them.
        options: those of `one_scan.segment`; the ones of `MASK_OPTIONS` count.

    Returns:
        {"input": `describe_input`, "model": `model_sha256`, "options": those that count}

    Raises:
        ScanError: as `describe_input`.
    """
    described = describe_input(path, series=series, memory_budget_gib=memory_budget_gib)
    counted = {name: bool(options.get(name, default)) for name, default in MASK_OPTIONS.items()}
    return {"input": described, "model": model_sha256(engine), "options": counted}


def describe_input(
    path: str | Path, *, series: str | None = None, memory_budget_gib: float = MEMORY_BUDGET_GIB
) -> dict[str, int | str]:
    """Describe the content of a scan: how many files and bytes, and one SHA-256 of them all.

    Args:
        path: a file, or a folder whose files count with their names below it; not hidden ones, which the reader passes
            over, nor those that are named as our results, which may be written there.
        series: SeriesInstanceUID that was asked for; another one is another input.
        memory_budget_gib: bytes of one file that are read; a scan that has more of them does not fit the budget.

    Returns:
        {"files": count, "bytes": sum, "sha256": hexadecimal digits}

    Raises:
        ScanError: nothing is there, it cannot be read, or it is a pipe, a socket or a device.
    """
    path = Path(path)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            files = sorted(one for one in path.rglob("*") if one.is_file() and not _is_passed_over(one.name))
        elif stat.S_ISREG(mode):
            files = [path]
        else:
            raise refuse(path.name, "a file or a folder with a DICOM series is needed", "a pipe, a socket or a device")
        digest, size = hashlib.sha256((series or "").encode()), 0
        for file in files:
            name = "" if file == path else file.relative_to(path).as_posix()
            digest.update(f"\0{name}\0{file.stat().st_size}\0".encode(errors="surrogateescape"))
            _update(digest, file, int(memory_budget_gib * 2**30))
            size += file.stat().st_size
    except OSError as error:
        raise refuse(path.name, "a readable file is needed", error.strerror or error) from error
    return {"files": len(files), "bytes": size, "sha256": digest.hexdigest()}


def model_sha256(engine: Engine) -> str:
    """Give the SHA-256 of an engine's files; of a server or a network made by hand, that of what it says of itself."""
    facts = json.dumps([engine.name, engine.metadata, to_dict(engine.spec)], sort_keys=True, default=str)
    return engine.sha256 or hashlib.sha256(facts.encode()).hexdigest()


def _is_passed_over(name: str) -> bool:
    return name.startswith(".") or name.endswith(tuple(ENDINGS.values()))


def _update(digest, path: Path, limit: int) -> None:
    """Feed a digest with at most `limit` bytes of a file."""
    with open(path, "rb") as file:
        while limit > 0 and (chunk := file.read(min(_CHUNK, limit))):
            digest.update(chunk)
            limit -= len(chunk)
