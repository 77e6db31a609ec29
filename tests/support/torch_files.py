"""Checkpoints as torch.save would write them, byte by byte."""

import io
import pickle
import struct
import zipfile

import numpy as np

from spine_tf.models.torch_pickle import MAGIC, PROTOCOL


def text(value: str) -> bytes:
    return b"X" + struct.pack("<i", len(value)) + value.encode()


def storage(kind: str, key: str, count: int, view: bytes = b"") -> bytes:
    return (
        b"("
        + text("storage")
        + f"ctorch\n{kind}\n".encode()
        + text(key)
        + text("cpu")
        + bytes([75, count])
        + view
        + b"tQ"
    )


def numbers(values) -> bytes:
    return b"(" + b"".join(bytes([75, value]) for value in values) + b"t"


def tensor(place: bytes, offset: int, shape, strides) -> bytes:
    arguments = (
        place + bytes([75, offset]) + numbers(shape) + numbers(strides) + b"\x89" + b"ccollections\nOrderedDict\n)R"
    )
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + arguments + b"tR"


def ordered_dict(**items: bytes) -> bytes:
    pairs = b"".join(text(name) + value for name, value in items.items())
    return b"ccollections\nOrderedDict\n)R(" + pairs + b"u"


def stream(loaded: bytes, storages: dict[str, np.ndarray], little_endian=True) -> bytes:
    """The form of before PyTorch 1.6: five pickles, then the storages, each behind its number of elements."""
    head = [MAGIC, PROTOCOL, {"protocol_version": PROTOCOL, "little_endian": little_endian, "type_sizes": {}}]
    pickles = [pickle.dumps(value, 2) for value in head] + [b"\x80\x02" + loaded + b"."]
    pickles.append(pickle.dumps(list(storages), 2))
    return b"".join(pickles) + b"".join(struct.pack("<q", a.size) + a.tobytes() for a in storages.values())


def archive(loaded: bytes, storages: dict[str, np.ndarray], byteorder=b"little") -> bytes:
    """The form since: a zip archive."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as members:
        members.writestr("net/data.pkl", b"\x80\x02" + loaded + b".")
        members.writestr("net/byteorder", byteorder)
        for key, array in storages.items():
            members.writestr(f"net/data/{key}", array.tobytes())
    return content.getvalue()
