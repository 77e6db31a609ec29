"""Encodes a case as the record that a shard holds of it: a tf.train.Example with the arrays that training reads."""

import json

import numpy as np
import tensorflow as tf

from spine_tf.config import PreprocessSpec
from spine_tf.data.cache import decode_case, prepare_arrays
from spine_tf.data.cases import Case
from spine_tf.data.shards_read import read_example

LARGEST_RECORD = 2**31 - 2**16
"""A protocol buffer holds less than 2 GiB."""


def encode_case(case: Case, spec: PreprocessSpec, offset: int) -> tuple[bytes, list[int]]:
    """Serialize a case as a tf.train.Example.

    Its features are case_id; shape, int64 (3,); hu (int16), mask (uint8) and points (int32), little-endian in C order,
    as in `cache.CachedCase`; and facts, JSON with spacing_mm, window_hu and affine, voxel to RAS+ mm, 4 x 4.

    Args:
        case: with a mask.
        spec: what `cache.applied_fields` names of it is applied.
        offset: where in its file the record will lie, in bytes, so that the HU start at an even address.

    Returns:
        the record, and its shape (x, y, z).

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
    types = {"hu": "<i2", "mask": "|u1", "points": "<i4"}
    values = {name: array.astype(types[name], copy=False).tobytes() for name, array in arrays.items()}
    values["case_id"] = case.case_id.encode()
    values["facts"] = json.dumps(facts | {"affine": affine.tolist()}).encode()
    shape = list(arrays["hu"].shape)
    record = _serialized(values, shape)
    if (offset + _place(record, "hu")) % 2:
        record = _serialized(values | {"facts": values["facts"] + b" "}, shape)
    return record, shape


def _serialized(values: dict[str, bytes], shape: list[int]) -> bytes:
    features = {name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[v])) for name, v in values.items()}
    features["shape"] = tf.train.Feature(int64_list=tf.train.Int64List(value=shape))
    # Deterministic: by name, so that HU come before the mask and after the short ones.
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString(deterministic=True)


def _place(record: bytes, name: str) -> int:
    """Find where the value of a feature starts in a record, in bytes."""
    address = np.frombuffer(read_example(memoryview(record))[name], np.uint8).ctypes.data
    return address - np.frombuffer(record, np.uint8).ctypes.data
