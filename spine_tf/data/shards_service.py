"""A window of cases read from shards by the workers of a tf.data service instead of by the training process.

Only reading is done there: what cuts triplets is Python (tf.numpy_function), which TensorFlow does not ship to another
process. A worker needs TensorFlow alone, and the shards under the path that the training process names them by. Bytes
are checked where they arrive, so that the way there is checked too.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from spine_tf.data.cache import CachedCase
from spine_tf.data.shards_read import ShardError, case_from_frame

ATTEMPTS = 3
"""A worker that dies takes with it what it was reading; so often is what did not arrive asked for."""


def served_windows(index: dict, address: str) -> Callable[[Path, Sequence[dict]], list[CachedCase]]:
    """What `ShardWindows` opens a window with, so that its records come from a tf.data service.

    Args:
        index: of the shards.
        address: of the dispatcher, "grpc://host:port". Without it, or without a worker, TensorFlow waits for them.

    Returns:
        folder, entries -> their cases, held in memory. ShardError: a record is damaged or never arrived.
    """
    sizes = {}
    for entry in index["cases"]:
        sizes[entry["shard"]] = max(sizes.get(entry["shard"], 0), entry["offset"] + entry["length"])

    def open_window(folder: Path, entries: Sequence[dict]) -> list[CachedCase]:
        cases = {}
        for _ in range(ATTEMPTS):
            missing = [number for number in range(len(entries)) if number not in cases]
            if not missing:
                break
            for number, record in _records(Path(folder).resolve(), entries, sizes, missing, address):
                entry = entries[int(number)]
                # HU lie at an even address of the file, and shall lie at one here.
                frame = np.empty(len(record) + 1, np.uint8)[entry["offset"] % 2 :][: len(record)]
                frame[:] = np.frombuffer(record, np.uint8)
                cases[int(number)] = case_from_frame(folder, entry, frame)
        else:
            names = [entry["case_id"] for number, entry in enumerate(entries) if number not in cases]
            if names:
                expected = f"the data service must deliver every case within {ATTEMPTS} attempts"
                raise ShardError(f"{expected}. Received: nothing of {names} from {address}")
        return [cases[number] for number in range(len(entries))]

    return open_window


def _records(folder: Path, entries: Sequence[dict], sizes: dict[str, int], numbers: list[int], address: str):
    """Number and framed record of cases, in any order, each at most once."""
    wanted = [entries[number] for number in numbers]
    rest = [sizes[entry["shard"]] - entry["offset"] - entry["length"] for entry in wanted]
    places = (
        np.array(numbers),
        np.array([str(folder / entry["shard"]) for entry in wanted]),
        *(np.array([entry[name] for entry in wanted]) for name in ("offset", "length")),
        np.array(rest),
    )

    def read(number, path, offset, length, behind):
        # One record of this length between a header and a footer: what TensorFlow has for reading at an offset.
        found = tf.data.FixedLengthRecordDataset(path, length, header_bytes=offset, footer_bytes=behind)
        return found.map(lambda record: (number, record))

    service = tf.data.experimental.service
    # Each worker reads some of them; a window is put in order when it is whole.
    distribute = service.distribute(service.ShardingPolicy.DYNAMIC, address, compression=None)
    return tf.data.Dataset.from_tensor_slices(places).flat_map(read).apply(distribute).as_numpy_iterator()
