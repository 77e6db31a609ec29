"""Decodes each case once, into memory-mapped files of HU (int16) and mask (uint8) that are cropped to the body.

Memory does not grow with the number of cases: the operating system keeps what is being read. An entry of the cache is a
folder whose name changes with the case's files and with whatever of the pre-processing is applied before caching.
"""

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spine_tf.config import PreprocessSpec, to_dict
from spine_tf.data.cases import Case, read_case, unlabelled_border
from spine_tf.scans import Volume
from spine_tf.scans.labels import spine_mask
from spine_tf.views.preprocess import body_box, clamp_window

FORMAT = 2
"""Raised when what is stored changes, so that older caches are made anew."""

MAX_POINTS = 4096
"""Spine voxels that are kept of a case, to draw places from."""

UNKNOWN = 2
"""Value of the cached mask where the truth is unknown: vertebrae cut by the border, which VerSe leaves out."""


@dataclass(frozen=True)
class CachedCase:
    """Hold a decoded case, ready to be cut into slices."""

    case: Case
    hu: np.ndarray
    """(x, y, z) int16, memory-mapped."""
    mask: np.ndarray
    """(x, y, z) uint8, memory-mapped: 0, 1 or UNKNOWN."""
    points: np.ndarray
    """(n, 3) int32, at most MAX_POINTS voxels of the spine; n is 0 when the mask is empty."""
    spacing_mm: tuple[float, float, float]
    """Voxel sizes along x, y, z."""
    window_hu: tuple[float, float]
    """The HU that become 0 and 1."""


def cache_case(case: Case, folder: Path, spec: PreprocessSpec) -> CachedCase:
    """Decode a case into a folder, or open it where that was done before.

    Args:
        case: with a mask.
        folder: of the cache. Another file, date or spec is another entry in it.
        spec: what `applied_fields` names of it is applied.

    Returns:
        the case, its arrays mapped from their files.

    Raises:
        ScanError: image or mask is unusable, or they do not share a grid.
    """
    entry = Path(folder) / f"{case.case_id}-{fingerprint(case, spec)}"
    if not entry.is_dir():
        volume, labels, unknown = decode_case(case, spec)
        cache_arrays(np.asarray(volume.array), labels, volume.spacing_mm, entry, spec, unknown)
    return open_entry(entry, case)


def decode_case(case: Case, spec: PreprocessSpec) -> tuple[Volume, np.ndarray, np.ndarray]:
    """Read a case on the axes along which its views are cut.

    Args:
        case: with a mask.
        spec: with `canonical`, the axes are RAS+; else those the scan is stored along.

    Returns:
        the volume, (x, y, z) int16 HU; labels, (x, y, z) int16 VerSe ids; unknown, (x, y, z) bool, True where the truth
        does not tell spine from background.

    Raises:
        ScanError: image or mask is unusable, or they do not share a grid.
    """
    volume, labels = read_case(case)
    unknown = unlabelled_border(case, labels)
    if spec.canonical:
        return volume, labels, unknown
    return volume.as_stored(), volume.to_stored(labels), volume.to_stored(unknown)


def open_entry(entry: Path, case: Case) -> CachedCase:
    """Open the entry that `cache_arrays` wrote for a case."""
    facts = {name: tuple(values) for name, values in json.loads((entry / "case.json").read_text()).items()}
    hu, mask = (np.load(entry / f"{name}.npy", mmap_mode="r") for name in ("hu", "mask"))
    return CachedCase(case, hu, mask, np.load(entry / "points.npy"), **facts)


def cache_arrays(hu, labels, spacing_mm, entry: Path, spec: PreprocessSpec, unknown=None) -> None:
    """Write a scan as a cache entry, whole or not at all.

    Args:
        hu: (x, y, z) HU, any real dtype.
        labels: (x, y, z) integers, VerSe ids.
        spacing_mm: voxel sizes along x, y, z.
        entry: the folder to make.
        spec: body_box, window_hu and normalise are used.
        unknown: (x, y, z) bool, where the truth is unknown; None: nowhere.
    """
    arrays, facts, _ = prepare_arrays(hu, labels, spacing_mm, spec, unknown)
    entry.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{entry.name}-", dir=entry.parent))
    try:
        for name, array in arrays.items():
            np.save(part / f"{name}.npy", array)
        (part / "case.json").write_text(json.dumps(facts))
        os.rename(part, entry)
    except OSError:
        shutil.rmtree(part, ignore_errors=True)
        # Another process that decoded the same case first has left just what this one would have.
        if not entry.is_dir():
            raise


def prepare_arrays(hu, labels, spacing_mm, spec: PreprocessSpec, unknown=None) -> tuple[dict, dict, tuple]:
    """Prepare what training reads of a scan.

    Args:
        hu: as in `cache_arrays`, as are the others.

    Returns:
        arrays: hu, mask and points as in `CachedCase`; facts: spacing_mm and window_hu, JSON types; the box that the
        arrays were cut from, one slice per axis.

    Example:
        >>> hu, labels = np.zeros((2, 3, 4)), np.zeros((2, 3, 4), np.int16)
        >>> labels[1, 2, 3] = 20
        >>> arrays, facts, _ = prepare_arrays(hu, labels, (1, 1, 2), PreprocessSpec())
        >>> arrays["points"].tolist(), facts["spacing_mm"]
        ([[1, 2, 3]], [1.0, 1.0, 2.0])
    """
    mask = spine_mask(labels).astype(np.uint8)
    if unknown is not None:
        mask[unknown] = UNKNOWN
    box = body_box(hu) if spec.body_box else (slice(0, None),) * 3
    # x runs fastest: most scans have fewer slices than rows, and a slice that fixes the fastest axis touches every row.
    hu, mask = np.asfortranarray(hu[box], np.int16), np.asfortranarray(mask[box])
    # Seeded by nothing but the format: the same case always gives the same points.
    points = np.argwhere(mask == 1)
    if len(points) > MAX_POINTS:
        points = points[np.sort(np.random.default_rng(FORMAT).choice(len(points), MAX_POINTS, replace=False))]
    facts = {"spacing_mm": [float(s) for s in spacing_mm], "window_hu": [float(h) for h in clamp_window(hu, spec)]}
    return {"hu": hu, "mask": mask, "points": points.astype(np.int32)}, facts, box


def applied_fields(spec: PreprocessSpec) -> dict:
    """Select the fields of a spec that change what is stored; the others are applied when a triplet is cut.

    Example:
        >>> list(applied_fields(PreprocessSpec()))
        ['window_hu', 'normalise', 'canonical', 'body_box']
    """
    fields = to_dict(spec)
    return {name: fields[name] for name in ("window_hu", "normalise", "canonical", "body_box")}


def fingerprint(case: Case, spec: PreprocessSpec) -> str:
    """Make twelve hex digits that change with a case's files and with the `applied_fields` of the spec."""
    files = [(str(p.resolve()), p.stat().st_size, p.stat().st_mtime_ns) for p in map(Path, (case.image, case.mask))]
    relevant = list(applied_fields(spec).values())
    return hashlib.sha256(json.dumps([FORMAT, files, relevant]).encode()).hexdigest()[:12]
