"""Writes shards: cases decoded once, as training reads them, in a few large files that can be copied and checked.

A shard is a plain TFRecord file with one tf.train.Example a case. `index.json` tells where each case lies, and its
SHA-256. The same scans give the same bytes, however many processes write them.
"""

import hashlib
import json
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from importlib import metadata
from math import prod
from pathlib import Path

import nibabel as nib
import tensorflow as tf

from spine_tf._version import __version__
from spine_tf.config import PreprocessSpec, require
from spine_tf.data.cache import applied_fields, fingerprint
from spine_tf.data.cases import Case
from spine_tf.data.shards_encode import encode_case
from spine_tf.data.shards_read import CASE_FIELDS, FORMAT, HEAD_BYTES, INDEX, TAIL_BYTES, index_hash
from spine_tf.support.errors import ShardError
from spine_tf.support.files import remove_parts, whole_file, write_json
from spine_tf.support.processes import end_when_parent_ends
from spine_tf.support.progress import progress_bar

PROGRESS = "progress.json"
"""What is finished, for a next start; its dates and sizes are those of the scans on this machine."""

VOXEL_BYTES = 3
"""HU (int16) and mask (uint8). Not compressed: deflated HU keep 63 to 72 % of their bytes, take five times as long to
inflate as to check, and could not be mapped from the file."""


def prepare_shards(
    cases: list[Case], folder: Path, spec: PreprocessSpec, shards_mb: float = 512, workers: int = 1
) -> dict:
    """Decode cases into shards.

    Shards that an earlier start finished are kept; those with another scan, date, spec or shard size are made anew.

    Args:
        cases: those without a mask are only named in the index.
        folder: gets shard-00000.tfrecord, ..., progress.json and, last, index.json; shards of an earlier, larger set
            are deleted.
        spec: what `cache.applied_fields` names of it is applied.
        shards_mb: a shard is closed before it would hold more than this many 10^6 bytes, counted before the crop to the
            body.
        workers: processes; each needs about 0.5 GB and four times its largest case.

    Returns:
        the index, as `shards_read.read_index` reads it. "failed" has a message for each case that could not be read.

    Raises:
        ValueError: no case has a mask, or shards_mb or workers is not positive.
        ShardError: a process was killed.

    Example:
        >>> import numpy as np
        >>> for name, array in (("ct", np.arange(-256, 256)), ("mask", np.full(512, 20))):
        ...     nib.save(nib.Nifti1Image(array.reshape(8, 8, 8).astype(np.int16), np.eye(4)), f"{name}.nii")
        >>> case = Case("a", "a", Path("ct.nii"), Path("mask.nii"))
        >>> index = prepare_shards([case], Path("shards"), PreprocessSpec(body_box=False))
        >>> [(entry["case_id"], entry["shape"], entry["shard"]) for entry in index["cases"]]
        [('a', [8, 8, 8], 'shard-00000.tfrecord')]
    """
    require(shards_mb > 0, "shards_mb", "positive", shards_mb)
    require(workers > 0, "workers", "positive", workers)
    usable = [case for case in cases if case.mask is not None]
    if not usable:
        raise ValueError(f"cases must hold at least one with a mask. Received: none of {len(cases)}")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    remove_parts(folder)
    jobs = {f"shard-{i:05d}.tfrecord": group for i, group in enumerate(plan_shards(usable, shards_mb))}
    keys = {name: _key(group, spec) for name, group in jobs.items()}
    done = _finished(folder, keys)
    todo = {name: group for name, group in jobs.items() if name not in done}
    if todo:
        (folder / INDEX).unlink(missing_ok=True)
        write_json(folder / PROGRESS, dict(sorted(done.items())))
    kept = sum(len(jobs[name]) for name in done)
    with progress_bar(total=len(usable), initial=kept, desc="preparing cases", unit="case") as bar:
        for name, written in _write_all(todo, folder, spec, workers):
            done[name] = {"key": keys[name], **written}
            write_json(folder / PROGRESS, dict(sorted(done.items())))
            bar.update(len(jobs[name]))
    for path in folder.glob("shard-*.tfrecord"):
        if path.name not in jobs:
            path.unlink()
    packages = ("numpy", "nibabel", "tensorflow", "protobuf")
    index = {
        "format": FORMAT,
        "spec": applied_fields(spec),
        "versions": {"spine_tf": __version__, **{name: metadata.version(name) for name in packages}},
        "without_mask": sorted(case.case_id for case in cases if case.mask is None),
        "failed": {case: why for name in jobs for case, why in done[name]["failed"].items()},
        "cases": [entry for name in jobs for entry in done[name]["cases"]],
    }
    write_json(folder / INDEX, index | {"sha256": index_hash(index)})
    return index


def plan_shards(cases: list[Case], shards_mb: float) -> list[list[Case]]:
    """Share cases out among shards, in the order of subject and case.

    Args:
        cases: with masks.
        shards_mb: as many go into a shard as it has room for, in 10^6 bytes. A larger case has a shard of its own; one
            whose header cannot be read counts nothing.

    Returns:
        the cases of each shard.
    """
    shards, filled = [[]], 0
    for case in sorted(cases, key=lambda c: (c.subject, c.case_id)):
        size = _decoded_bytes(case.image)
        if shards[-1] and filled + size > shards_mb * 10**6:
            shards.append([])
            filled = 0
        shards[-1].append(case)
        filled += size
    return shards


def write_shard(path: Path, cases: list[Case], spec: PreprocessSpec) -> dict:
    """Decode cases into one TFRecord file.

    Args:
        path: of the file, which appears whole or not at all.
        cases: with masks.
        spec: what `cache.applied_fields` names of it is applied.

    Returns:
        "cases": the index's entry of each; "failed": case id -> why it could not be read; "bytes": the file's size.
    """
    entries, failed, offset = [], {}, 0
    with whole_file(path) as part:
        with tf.io.TFRecordWriter(str(part)) as writer:
            for case in cases:
                try:
                    record, shape = encode_case(case, spec, offset + HEAD_BYTES)
                except (ValueError, OSError, MemoryError) as error:
                    failed[case.case_id] = str(error) or type(error).__name__
                    continue
                writer.write(record)
                length = HEAD_BYTES + len(record) + TAIL_BYTES
                place = {"shape": shape, "shard": path.name, "offset": offset, "length": length}
                entries.append(_told(case) | place)
                offset += length
        with part.open("rb") as file:
            for entry in entries:
                # Read back: the hash is that of what is in the file.
                entry["sha256"] = hashlib.sha256(file.read(entry["length"])).hexdigest()
    return {"cases": entries, "failed": failed, "bytes": offset}


def _told(case: Case) -> dict:
    return {name: getattr(case, name) for name in CASE_FIELDS}


def _decoded_bytes(image: Path) -> int:
    """Count the bytes of a decoded case, as its header tells; 0 where it cannot be read."""
    try:
        return VOXEL_BYTES * prod(nib.load(image).shape)
    except (OSError, ValueError, nib.filebasedimages.ImageFileError, nib.spatialimages.HeaderDataError):
        return 0


def _key(cases: list[Case], spec: PreprocessSpec) -> str:
    """Hash the files of the cases, what is known of them, and what is applied of the spec."""
    told = [(fingerprint(case, spec), *_told(case).values()) for case in cases]
    return hashlib.sha256(json.dumps([FORMAT, told]).encode()).hexdigest()


def _finished(folder: Path, keys: dict[str, str]) -> dict[str, dict]:
    """Read from progress.json which shards are there, were made of the same and left no case out."""
    try:
        known = json.loads((folder / PROGRESS).read_text())
    except (OSError, ValueError):
        return {}
    return {
        name: facts
        for name, facts in known.items()
        if keys.get(name) == facts["key"]
        and not facts["failed"]
        and (folder / name).is_file()
        and (folder / name).stat().st_size == facts["bytes"]
    }


def _write_all(jobs: dict[str, list[Case]], folder: Path, spec: PreprocessSpec, workers: int) -> Iterator:
    """Yield name and facts of each shard as it is finished."""
    if workers == 1:
        for name, group in jobs.items():
            yield name, write_shard(folder / name, group, spec)
        return
    # Spawned: a forked child of a process that runs TensorFlow may hang on its locks.
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), end_when_parent_ends) as pool:
        futures = {pool.submit(write_shard, folder / name, group, spec): name for name, group in jobs.items()}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BrokenProcessPool as error:
            expected = "every worker must live to its end (memory?); the next start goes on from here"
            raise ShardError(f"{expected}. Received: workers={workers}, one was killed") from error
        finally:
            pool.shutdown(cancel_futures=True)
