"""Writing shards: cases decoded once, as training reads them, into a few large files that can be copied and checked.

A shard is a plain TFRecord file with one tf.train.Example a case; `index.json` tells where each case lies and its
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
import numpy as np
import tensorflow as tf

from spine_tf._version import __version__
from spine_tf.config import PreprocessSpec
from spine_tf.data.cache import applied_fields, decode_case, fingerprint, prepare_arrays
from spine_tf.data.cases import Case
from spine_tf.data.shards_read import FORMAT, HEAD_BYTES, INDEX, TAIL_BYTES, index_hash, read_example
from spine_tf.support.errors import ShardError
from spine_tf.support.files import whole_file, write_json
from spine_tf.support.processes import end_when_parent_ends
from spine_tf.support.progress import progress_bar

PROGRESS = "progress.json"
"""What is finished, for a next start; its dates and sizes are those of the scans on this machine."""

VOXEL_BYTES = 3
"""HU (int16) and mask (uint8). Not compressed: deflated HU keep 63 to 72 % of their bytes, take five times as long to
inflate as to check, and could not be mapped from the file."""

LARGEST_RECORD = 2**31 - 2**16
"""A protocol buffer holds less than 2 GiB."""


def prepare_shards(
    cases: list[Case], folder: Path, spec: PreprocessSpec, shards_mb: float = 512, workers: int = 1
) -> dict:
    """Decode cases into shards. Finished ones are kept; another scan, date, spec or shard size makes theirs anew.

    Args:
        cases: those without a mask are only named in the index.
        folder: gets shard-00000.tfrecord, ..., progress.json and, last, index.json; shards of an earlier, larger set
            are deleted.
        spec: what `cache.applied_fields` names of it is applied.
        shards_mb: a shard is closed before it would hold more, counted before the crop to the body.
        workers: processes; each needs about 0.5 GB and four times its largest case.

    Returns:
        the index. `failed` has a message for each case that could not be read.

    Raises:
        ValueError: no case has a mask, or shards_mb or workers is not positive.
        ShardError: a process was killed.
    """
    for name, value in (("shards_mb", shards_mb), ("workers", workers)):
        if value <= 0:
            raise ValueError(f"{name} must be positive. Received: {name}={value}")
    usable = [case for case in cases if case.mask is not None]
    if not usable:
        raise ValueError(f"cases must hold at least one with a mask. Received: none of {len(cases)}")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for part in folder.glob(".*.shard-*.tfrecord"):
        part.unlink()  # of a process that was killed while it wrote
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
    """The cases of each shard: in the order of subject and case, as many as `shards_mb` (10^6 bytes) has room for.

    A case larger than that has a shard of its own; one whose header cannot be read counts nothing.
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
    """Decode cases into one TFRecord file, whole or not at all.

    Returns:
        "cases": the index's entry of each, "failed": case id -> why it could not be read, "bytes": the file's size.
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
                told = {name: getattr(case, name) for name in ("case_id", "subject", "subset", "complete", "source")}
                entries.append({**told, "shape": shape, "shard": path.name, "offset": offset, "length": length})
                offset += length
        with part.open("rb") as file:
            for entry in entries:
                # Read back: the hash is that of what is in the file.
                entry["sha256"] = hashlib.sha256(file.read(entry["length"])).hexdigest()
    return {"cases": entries, "failed": failed, "bytes": offset}


def encode_case(case: Case, spec: PreprocessSpec, offset: int) -> tuple[bytes, list[int]]:
    """A case as a serialized tf.train.Example, and its shape (x, y, z).

    Features: case_id; shape, int64 (3,); hu (int16), mask (uint8), points (int32), little-endian in C order, as in
    `cache.CachedCase`; facts, JSON: spacing_mm, window_hu, and affine, voxel to RAS+ mm, 4 x 4.

    Args:
        offset: where in its file the record will lie; HU then start at an even address.

    Raises:
        ScanError: image or mask is unusable, or they do not share a grid.
        ValueError: more than LARGEST_RECORD bytes.
    """
    volume, labels, unknown = decode_case(case, spec)
    arrays, facts, box = prepare_arrays(np.asarray(volume.array), labels, volume.spacing_mm, spec, unknown)
    if (size := sum(array.nbytes for array in arrays.values())) > LARGEST_RECORD:
        raise ValueError(f"{case.case_id}: a case must have at most {LARGEST_RECORD} bytes. Received: {size}")
    affine = volume.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ [int(one.start) for one in box]
    text = json.dumps(facts | {"affine": affine.tolist()})
    types = {"hu": "<i2", "mask": "|u1", "points": "<i4"}
    values = {name: array.astype(types[name], copy=False).tobytes() for name, array in arrays.items()}
    shape = list(arrays["hu"].shape)
    record = _serialized(values | {"case_id": case.case_id.encode(), "facts": text.encode()}, shape)
    if (offset + _place(record, "hu")) % 2:
        record = _serialized(values | {"case_id": case.case_id.encode(), "facts": f"{text} ".encode()}, shape)
    return record, shape


def _serialized(values: dict[str, bytes], shape: list[int]) -> bytes:
    features = {name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[v])) for name, v in values.items()}
    features["shape"] = tf.train.Feature(int64_list=tf.train.Int64List(value=shape))
    # Deterministic: by name, so that HU come before the mask and after the short ones.
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString(deterministic=True)


def _place(record: bytes, name: str) -> int:
    """Where the value of a feature starts in a record."""
    address = np.frombuffer(read_example(memoryview(record))[name], np.uint8).ctypes.data
    return address - np.frombuffer(record, np.uint8).ctypes.data


def _decoded_bytes(image: Path) -> int:
    try:
        return VOXEL_BYTES * prod(nib.load(image).shape)
    except (OSError, ValueError, nib.filebasedimages.ImageFileError, nib.spatialimages.HeaderDataError):
        return 0


def _key(cases: list[Case], spec: PreprocessSpec) -> str:
    """Changes with the files of the cases, with what is known of them, and with what is applied of the spec."""
    told = [(fingerprint(c, spec), c.case_id, c.subject, c.subset, c.complete, c.source) for c in cases]
    return hashlib.sha256(json.dumps([FORMAT, told]).encode()).hexdigest()


def _finished(folder: Path, keys: dict[str, str]) -> dict[str, dict]:
    """What progress.json tells of shards that are there, were made of the same and left no case out."""
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
    """Name and facts of each shard as it is finished."""
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
