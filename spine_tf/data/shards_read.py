"""Reads cases from shards: found by their offset, checked by their SHA-256, mapped from the file and never copied.

The checked bytes stay on disk, and the operating system keeps what is being read. What an index does not tell, or tells
otherwise than the file, is refused.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from spine_tf.config import PreprocessSpec
from spine_tf.data.cache import CachedCase, applied_fields
from spine_tf.data.cases import Case
from spine_tf.scans import Volume, volume_from_array
from spine_tf.support.errors import ShardError
from spine_tf.support.json_reading import read_json

FORMAT = 1
"""Raised when what a record or the index holds changes."""

INDEX = "index.json"
"""Name of a folder's index: the spec its shards were prepared with, and an entry for each case."""

CASE_FIELDS = ("case_id", "subject", "subset", "complete", "source")
"""What an entry of the index tells of its `Case`."""

HEAD_BYTES, TAIL_BYTES = 12, 4
"""Around a record in a TFRecord file: its length and a checksum of that, a checksum of the record."""


def read_index(folder: Path) -> dict:
    """Read the index of a folder of shards.

    Args:
        folder: as `shards_write.prepare_shards` filled it.

    Returns:
        "format", "spec", "versions", "without_mask", "failed" and "cases", JSON types. An entry of "cases" has the
        CASE_FIELDS, "shape" (x, y, z), and in which "shard" its record lies: "offset" and "length" in bytes, "sha256".

    Raises:
        ShardError: no index (it is written last), one of another format, or one that was changed.
    """
    path = Path(folder) / INDEX
    if not path.is_file():
        expected = "shards must be a folder that `spine-tf prepare` finished"
        raise ShardError(f"{expected}. Received: {str(folder)!r} without {INDEX}")
    index = read_json(path, error=ShardError)
    found = index.get("format")
    if found != FORMAT:
        raise ShardError(f"{INDEX} must be of format {FORMAT}. Received: format={found!r}")
    if index.pop("sha256", None) != index_hash(index):
        raise ShardError(f"{INDEX} must be as it was written; prepare again. Received: another SHA-256")
    return index


def index_hash(index: dict) -> str:
    """Hash an index without its own entry `sha256`, with SHA-256."""
    return hashlib.sha256(json.dumps(index, sort_keys=True).encode()).hexdigest()


def shard_cases(folder: Path, index: dict) -> list[Case]:
    """List the cases of an index.

    Args:
        folder: of the shards.
        index: as `read_index` gives it.

    Returns:
        the cases, in the index's order. Image and mask of each are its shard: `load_case` finds the case in it by its
        id.

    Example:
        >>> entry = dict.fromkeys(CASE_FIELDS, "a") | {"shard": "shard-00000.tfrecord"}
        >>> [(case.case_id, case.mask.name) for case in shard_cases(Path("."), {"cases": [entry]})]
        [('a', 'shard-00000.tfrecord')]
    """
    return [_case(Path(folder), entry) for entry in index["cases"]]


def check_spec(index: dict, spec: PreprocessSpec) -> None:
    """Refuse shards that were prepared otherwise than a spec wants its cases.

    Args:
        index: of the shards.
        spec: only what `cache.applied_fields` names of it is compared.

    Raises:
        ShardError: the two differ; the fields are named.
    """
    wanted = applied_fields(spec)
    other = {name: index["spec"].get(name) for name in wanted if index["spec"].get(name) != wanted[name]}
    if other:
        asked = {name: wanted[name] for name in other}
        raise ShardError(f"shards must be prepared with {asked}; prepare again. Received: {other}")


def open_case(folder: Path, entry: dict) -> CachedCase:
    """Open a case; its arrays are views of the mapped file.

    Args:
        folder: of the shards.
        entry: of the index.

    Raises:
        ShardError: the shard is missing or short, or its bytes are not those that were written.
    """
    arrays, facts = _read_record(folder, entry)
    spacing_mm, window_hu = tuple(facts["spacing_mm"]), tuple(facts["window_hu"])
    return CachedCase(_case(folder, entry), **arrays, spacing_mm=spacing_mm, window_hu=window_hu)


def load_from_shard(case: Case) -> tuple[Volume, np.ndarray]:
    """Load a case as `data.load_case` does, but cropped to the body.

    Args:
        case: of `shard_cases`.

    Returns:
        the volume, (x, y, z) int16 HU in RAS+ order, and the labels, (x, y, z) uint8 on the same voxels: 1 for spine,
        as shards do not tell one vertebra from another.

    Raises:
        ShardError: no such case, or its bytes are not those that were written.
    """
    folder = case.image.parent
    entries = [entry for entry in read_index(folder)["cases"] if entry["case_id"] == case.case_id]
    if not entries:
        raise ShardError(f"{INDEX} must list the case. Received: {case.case_id}")
    arrays, facts = _read_record(folder, entries[0])
    affine, spine = np.array(facts["affine"]), (arrays["mask"] == 1).astype(np.uint8)
    volume, labels = (volume_from_array(array, affine, case.case_id) for array in (arrays["hu"], spine))
    return volume, labels.array


def read_example(record: memoryview) -> dict[str, memoryview]:
    """Find the features of a serialized tf.train.Example, without copying their bytes.

    `tf.train.Example.FromString` would copy each array twice.

    Args:
        record: the bytes of the example.

    Returns:
        name -> the bytes of its value, of the features that have one bytes value; others are left out.

    Raises:
        ShardError: a field without a length, which an example does not have.

    Source: Protocol Buffers, "Encoding"; example.proto and feature.proto of TensorFlow.
    """
    features = {}
    for _, entry in _messages(next(part for number, part in _messages(record) if number == 1)):
        parts = dict(_messages(entry))  # 1: the name, 2: the feature
        for kind, values in _messages(parts[2]):
            if kind == 1:  # bytes_list
                features[str(parts[1], "utf-8")] = next(value for _, value in _messages(values))
    return features


def _case(folder: Path, entry: dict) -> Case:
    """Make the case of an entry, whose image and mask are its shard."""
    shard = Path(folder).resolve() / entry["shard"]
    return Case(image=shard, mask=shard, **{name: entry[name] for name in CASE_FIELDS})


def _read_record(folder: Path, entry: dict) -> tuple[dict[str, np.ndarray], dict]:
    """Map a record, refuse it where its bytes are not those that were written, and find its arrays and facts."""
    path, end = Path(folder) / entry["shard"], entry["offset"] + entry["length"]
    try:
        size = path.stat().st_size
    except OSError as error:
        raise ShardError(f"{_where(entry)}: the shard must be there. Received: {error}") from error
    if size < end:
        raise ShardError(f"{_where(entry)}: the shard must hold {end} bytes. Received: {size}")
    # The record, and what TFRecord puts around it.
    frame = np.memmap(path, np.uint8, "r", entry["offset"], (entry["length"],))
    found = hashlib.sha256(frame).hexdigest()
    if found != entry["sha256"]:
        expected = f"{_where(entry)}: the record must have SHA-256 {entry['sha256'][:12]}..."
        raise ShardError(f"{expected}; the file is damaged or not the index's. Received: {found[:12]}...")
    features = read_example(memoryview(frame)[HEAD_BYTES:-TAIL_BYTES])
    hu, mask = np.frombuffer(features["hu"], "<i2"), np.frombuffer(features["mask"], np.uint8)
    # Copied, since in the record they may lie at any address.
    points = np.frombuffer(bytes(features["points"]), "<i4")
    arrays = {"hu": hu.reshape(entry["shape"]), "mask": mask.reshape(entry["shape"]), "points": points.reshape(-1, 3)}
    return arrays, json.loads(bytes(features["facts"]))


def _messages(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield number and bytes of each field of a message whose fields all have a length."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        if tag & 7 != 2:
            raise ShardError(f"a record must be a tf.train.Example. Received: wire type {tag & 7}")
        length, at = _varint(data, at)
        yield tag >> 3, data[at : at + length]
        at += length


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """Read the number at a place, seven bits a byte, and the place behind it."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _where(entry: dict) -> str:
    return f"{entry['shard']}, case {entry['case_id']}"
