"""Reads PyTorch's checkpoints as NumPy arrays, without PyTorch.

A pickle may call whatever it names, so that loading one is running it. Here it can name only what a dict of tensors is
made of; all other names are refused. Both forms of `torch.save` are read: the stream that it wrote before PyTorch 1.6
and the zip archive since.

Source: `torch/serialization.py`, `_legacy_save` and `_save`.
"""

import io
import math
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from spine_tf.support.errors import CheckpointRefused

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
STORAGES = {"FloatStorage": "<f4", "LongStorage": "<i8", "BFloat16Storage": "<u2"}
"""Kinds of storage that are read, and NumPy's type for their bytes; it has none for bfloat16, half a float32."""


class _Storage(NamedTuple):
    kind: str
    key: str
    count: int


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Unpickler(pickle.Unpickler):
    """Reads tensors as places in storages, whose content is read later: in the stream it follows the pickle."""

    def __init__(self, stream: io.BytesIO):
        super().__init__(stream)
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str):
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            # Made anew each time: a pickle may set attributes on what it is given, and they must not outlive it.
            return lambda storage, offset, shape, strides, *_: _Tensor(storage, offset, shape, strides)
        if module == "torch" and name in STORAGES:
            return name
        raise CheckpointRefused(
            f"content must be a checkpoint of tensors and dicts alone. Received: it names {module}.{name}"
        )

    def persistent_load(self, saved_id) -> _Storage:
        # The stream has a sixth part: None, or a part of the storage, which tensors of our files do not need.
        mark, kind, key, _, count, *part = saved_id
        if mark != "storage" or kind not in STORAGES or not isinstance(count, int) or any(part):
            raise CheckpointRefused(f"content must hold plain storages of {sorted(STORAGES)}. Received: {saved_id!r}")
        return self.storages.setdefault(str(key), _Storage(kind, str(key), count))


def read_torch(content: bytes):
    """Read what a checkpoint holds: dicts, numbers and strings as they are, tensors as C-ordered arrays.

    Args:
        content: the bytes of a `.pth` or `.pt` file that holds tensors on the CPU and dicts of them.

    Returns:
        Nested dicts; float32 and int64 arrays keep their type, bfloat16 becomes float32 of the same value.

    Raises:
        CheckpointRefused: the content names anything but tensors and dicts (it is not called then), is of another byte
            order, cut off, or no checkpoint at all.
    """
    try:
        return (_read_zip if content[:4] == b"PK\x03\x04" else _read_stream)(content)
    except CheckpointRefused:
        raise
    except Exception as error:  # a damaged pickle can raise nearly every type
        raise CheckpointRefused(
            f"content must be a whole PyTorch checkpoint. Received: {type(error).__name__}: {error}"
        ) from error


def _read_stream(content: bytes):
    """Read the form of before PyTorch 1.6: several pickles, then the storages."""
    stream = io.BytesIO(content)
    if [_Unpickler(stream).load(), _Unpickler(stream).load()] != [MAGIC, PROTOCOL]:
        raise CheckpointRefused(f"content must start as torch.save writes it. Received: {content[:16]!r}")
    _require_little_endian(_Unpickler(stream).load()["little_endian"])
    unpickler = _Unpickler(stream)
    loaded, keys = unpickler.load(), _Unpickler(stream).load()
    values = {}
    for key in keys:
        (count,) = struct.unpack("<q", stream.read(8))
        values[key] = _values(unpickler.storages[key], stream.read(count * _item_bytes(unpickler.storages[key])))
    return _resolve(loaded, values.__getitem__)


def _read_zip(content: bytes):
    """Read the form since PyTorch 1.6: a pickle and a file for each storage."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        (pickled,) = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        root = pickled.removesuffix("data.pkl")
        if f"{root}byteorder" in archive.namelist():
            _require_little_endian(archive.read(f"{root}byteorder") == b"little")
        unpickler = _Unpickler(io.BytesIO(archive.read(pickled)))
        loaded = unpickler.load()
        return _resolve(loaded, lambda key: _values(unpickler.storages[key], archive.read(f"{root}data/{key}")))


def _require_little_endian(little: bool) -> None:
    if not little:
        raise CheckpointRefused("content must be little-endian. Received: big-endian")


def _item_bytes(storage: _Storage) -> int:
    return np.dtype(STORAGES[storage.kind]).itemsize


def _values(storage: _Storage, raw: bytes) -> np.ndarray:
    """Read the content of a storage, which must be whole."""
    if len(raw) != storage.count * _item_bytes(storage):
        raise CheckpointRefused(f"content must be whole. Received: {len(raw)} bytes for {storage}")
    return np.frombuffer(raw, STORAGES[storage.kind])


def _resolve(loaded, values: Callable[[str], np.ndarray]):
    """Replace tensors by arrays, in dicts however deep. `values` gives a storage's content by its key."""
    if isinstance(loaded, dict):
        return {key: _resolve(value, values) for key, value in loaded.items()}
    if not isinstance(loaded, _Tensor):
        return loaded
    stored = values(loaded.storage.key)
    last = loaded.offset + sum((n - 1) * stride for n, stride in zip(loaded.shape, loaded.strides, strict=True))
    if min((loaded.offset, *loaded.shape, *loaded.strides)) < 0 or max(last + 1, math.prod(loaded.shape)) > len(stored):
        raise CheckpointRefused(f"content must have its tensors inside their storages. Received: {loaded}")
    strides = [stride * stored.itemsize for stride in loaded.strides]
    array = np.lib.stride_tricks.as_strided(stored[loaded.offset :], loaded.shape, strides).copy()
    if loaded.storage.kind == "BFloat16Storage":
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array
