"""Writes a `.keras` file at half its size: weights stored as float16, computed with as float32."""

import io
import zipfile
from pathlib import Path

import h5py
import numpy as np

from spine_tf.support.files import write_bytes

WEIGHTS = "model.weights.h5"
"""Name of the weights inside a `.keras` archive."""


def write_half(source: Path, target: Path) -> None:
    """Copy a `.keras` file with its kernels stored as float16; what is 1-D (biases, normalisation) stays as it is.

    Keras casts to a variable's own dtype when it loads, so the network that comes back computes in float32. A moving
    variance may lie below float16's range, and 1-D weights are a hundredth of the file.

    Args:
        source: the `.keras` file.
        target: where the copy goes, whole or not at all.

    Raises:
        ValueError: a weight is too large for float16.
    """
    with zipfile.ZipFile(source) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members[WEIGHTS] = _halved(members[WEIGHTS])
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            # A fixed date: the same weights are the same bytes.
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    write_bytes(target, packed.getvalue())


def _halved(weights: bytes) -> bytes:
    """Rewrite an HDF5 file with its float32 arrays of two or more axes as float16."""
    stored = io.BytesIO()
    with h5py.File(io.BytesIO(weights)) as old, h5py.File(stored, "w") as new:
        new.attrs.update(old.attrs)

        def copy(name: str, node) -> None:
            if isinstance(node, h5py.Group):
                new.require_group(name).attrs.update(node.attrs)
                return
            values = node[()]
            if values.ndim > 1 and values.dtype == np.float32:
                if np.abs(values).max(initial=0) > np.finfo(np.float16).max:
                    raise ValueError(f"weights must fit float16. Received: {name} up to {np.abs(values).max():g}")
                values = values.astype(np.float16)
            new.create_dataset(name, data=values).attrs.update(node.attrs)

        old.visititems(copy)
    return stored.getvalue()
