"""A case decoded once: canonical HU (int16) and binary mask as memory-mapped files, cropped to the body.

Memory does not grow with the number of cases: the operating system keeps what is being read.
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

UNKNOWN = 2
"""Value of the cached mask where a truth does not tell: vertebrae cut by the border, which VerSe leaves out."""


@dataclass(frozen=True)
class CachedCase:
    """A case ready to be cut.

    hu: (x, y, z) int16, memory-mapped. mask: (x, y, z) uint8, 0, 1 or UNKNOWN, memory-mapped. points: (n, 3) int32
    voxels drawn from the mask, none when it is empty. window_hu: the HU that become 0 and 1.
    """

    case: Case
    hu: np.ndarray
    mask: np.ndarray
    points: np.ndarray
    spacing_mm: tuple[float, float, float]
    window_hu: tuple[float, float]


def cache_case(case: Case, folder: Path, spec: PreprocessSpec) -> CachedCase:
    """Decode a case into `folder`, or open what is there already; another file, date or spec is another entry.

    Raises:
        ScanError: image or mask is unusable, or they do not share a grid.
    """
    entry = Path(folder) / f"{case.case_id}-{fingerprint(case, spec)}"
    if not entry.is_dir():
        volume, labels, unknown = decode_case(case, spec)
        cache_arrays(np.asarray(volume.array), labels, volume.spacing_mm, entry, spec, unknown)
    return open_entry(entry, case)


def decode_case(case: Case, spec: PreprocessSpec) -> tuple[Volume, np.ndarray, np.ndarray]:
    """A case on the axes along which its views are cut: volume, VerSe ids, and bool where the truth does not tell.

    Raises:
        ScanError: image or mask is unusable, or they do not share a grid.
    """
    volume, labels = read_case(case)
    unknown = unlabelled_border(case, labels)
    if spec.canonical:
        return volume, labels, unknown
    return volume.as_stored(), volume.to_stored(labels), volume.to_stored(unknown)


def open_entry(entry: Path, case: Case) -> CachedCase:
    """Open what `cache_arrays` wrote, as a case."""
    facts = json.loads((entry / "case.json").read_text())
    return CachedCase(
        case,
        np.load(entry / "hu.npy", mmap_mode="r"),
        np.load(entry / "mask.npy", mmap_mode="r"),
        np.load(entry / "points.npy"),
        tuple(facts["spacing_mm"]),
        tuple(facts["window_hu"]),
    )


def cache_arrays(hu, labels, spacing_mm, entry: Path, spec: PreprocessSpec, unknown=None) -> None:
    """Write a scan as a cache entry, whole or not at all.

    Args:
        hu: (x, y, z) HU.
        labels: (x, y, z) VerSe ids.
        spacing_mm: voxel size.
        entry: the folder to make.
        spec: body_box, window_hu and normalise are used.
        unknown: (x, y, z) bool, where the truth does not tell; None: nowhere.
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
    """What training reads of a scan; arguments as `cache_arrays`.

    Returns:
        arrays: hu, mask and points as in `CachedCase`; facts: spacing_mm and window_hu, JSON types; the box that they
        were cut from, one slice per axis.
    """
    mask = spine_mask(labels).astype(np.uint8)
    if unknown is not None:
        mask[unknown] = UNKNOWN
    box = body_box(hu) if spec.body_box else (slice(0, None),) * 3
    hu, mask = np.ascontiguousarray(hu[box], np.int16), np.ascontiguousarray(mask[box])
    # Seeded by nothing but the format: the same case always gives the same points.
    points = np.argwhere(mask == 1)
    if len(points) > MAX_POINTS:
        points = points[np.sort(np.random.default_rng(FORMAT).choice(len(points), MAX_POINTS, replace=False))]
    facts = {"spacing_mm": [float(s) for s in spacing_mm], "window_hu": [float(h) for h in clamp_window(hu, spec)]}
    return {"hu": hu, "mask": mask, "points": points.astype(np.int32)}, facts, box


def applied_fields(spec: PreprocessSpec) -> dict:
    """The fields of a spec that change what is stored; the others are applied when a triplet is cut."""
    fields = to_dict(spec)
    return {name: fields[name] for name in ("window_hu", "normalise", "canonical", "body_box")}


def fingerprint(case: Case, spec: PreprocessSpec) -> str:
    """Twelve hex digits that change with the files and with whatever of the spec is applied before caching."""
    files = [(str(p.resolve()), p.stat().st_size, p.stat().st_mtime_ns) for p in map(Path, (case.image, case.mask))]
    relevant = list(applied_fields(spec).values())
    return hashlib.sha256(json.dumps([FORMAT, files, relevant]).encode()).hexdigest()[:12]
