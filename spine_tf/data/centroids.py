"""Reads and writes VerSe's centroid files, turns centroids to other axes and puts them in mm.

A file is a list: `{"direction": ["P", "I", "R"]}`, then `{"label": 20, "X": 75.1, "Y": 35.0, "Z": 22.6}` for each
vertebra: the middle of its body in voxels along `direction`, X along its first letter, voxel 0 having its centre at 0.

Source: the data set's own tools (github.com/anjany/verse, utils/data_utilities.py).
"""

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from nibabel.orientations import axcodes2ornt, inv_ornt_aff, io_orientation, ornt_transform
from scipy import ndimage

from spine_tf.scans import ScanError, Volume
from spine_tf.scans.labels import spine_mask
from spine_tf.support.files import write_text
from spine_tf.support.json_reading import blaming, read_json

_SIDES = ("RL", "AP", "SI")


@dataclass(frozen=True)
class Centroids:
    """Hold a place for each label, in voxels along `direction`."""

    direction: tuple[str, str, str]
    """Where the three axes point, e.g. ("P", "I", "R")."""
    points: dict[int, tuple[float, float, float]]
    """Label -> X, Y, Z."""
    iso: bool = False
    """Counted in voxels of 1 mm, as the challenge's own `_iso-ctd.json` are, not in those of the scan."""


def read_centroids(path: Path) -> Centroids:
    """Read a centroid file.

    Entries without a place (NaN, null) are skipped, as the data set's tools do.

    Args:
        path: of the file. A name with `iso-ctd` tells that its places are counted in voxels of 1 mm.

    Raises:
        ScanError: no list of VerSe's kind, a label twice, or no direction: without it nothing tells which axis X is,
            nor from which end it is counted. The message names the file.

    Example:
        >>> text = '[{"direction": ["P", "I", "R"]}, {"label": 20, "X": 75.1, "Y": 35.0, "Z": 22.6}]'
        >>> _ = Path("scan_ctd.json").write_text(text)
        >>> read_centroids("scan_ctd.json").points
        {20: (75.1, 35.0, 22.6)}
    """
    path = Path(path)
    try:
        entries = read_json(path, list, ScanError, finite=False)
        direction = [tuple(entry["direction"]) for entry in entries if "direction" in entry]
        places = [
            (_label(entry["label"]), tuple(_number(entry[axis]) for axis in "XYZ"))
            for entry in entries
            if "direction" not in entry
        ]
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        expected = 'centroids must be a list of {"direction": [...]} and {"label", "X", "Y", "Z"}'
        raise ScanError(f"{path}: {expected}. Received: {type(error).__name__}: {error}") from error
    points = {label: point for label, point in places if all(map(math.isfinite, point))}
    labels = [label for label, _ in places]
    if len(set(labels)) < len(labels):
        twice = sorted({label for label in labels if labels.count(label) > 1})
        raise ScanError(f"{path}: each label must have one centroid. Received: {twice} more than once")
    # A list with nothing in it has nothing to turn: "no vertebra was found" needs no axes.
    if len(direction) != 1 and points:
        expected = 'centroids must say {"direction": [...]} once, without which X, Y and Z have no axes'
        raise ScanError(f"{path}: {expected}. Received: {len(direction)} such entries")
    with blaming(path, ScanError):
        return Centroids(_checked(direction[0]) if direction else ("R", "A", "S"), points, "iso-ctd" in path.name)


def write_centroids(path: Path, centroids: Centroids) -> None:
    """Write a centroid file in VerSe's form.

    Args:
        path: of the file, which appears whole or not at all.
        centroids: written to a tenth of a voxel, sorted by label.
    """
    entries = [{"direction": list(centroids.direction)}]
    for label, point in sorted(centroids.points.items()):
        entries.append({"label": label} | {axis: round(float(c), 1) for axis, c in zip("XYZ", point, strict=True)})
    write_text(path, json.dumps(entries))


def reorient_centroids(centroids: Centroids, direction: tuple[str, str, str], volume: Volume) -> Centroids:
    """Turn centroids to other axes of the same scan, by the data set's own rule.

    Where an axis turns round, that rule is `size - c`, although the same place is voxel `size - 1 - c`. So the result
    is one voxel off along each axis that turned, and exact again once it is turned back by the same rule.

    Args:
        centroids: of the scan, in its voxels or `iso`.
        direction: the axes wanted, e.g. ("R", "A", "S").
        volume: any image of the scan, in whatever orientation it is stored.

    Returns:
        the places in voxels of the scan along `direction`.

    Raises:
        ValueError: `direction` is not one letter of each of R/L, A/P and S/I.
    """
    direction = _checked(direction)
    shape, _ = _grid_along(volume, direction)
    turn = ornt_transform(axcodes2ornt(centroids.direction), axcodes2ornt(direction)).astype(int)
    points = {}
    for label, point in _in_scan_voxels(centroids, volume).points.items():
        turned = [0.0, 0.0, 0.0]
        for c, (axis, flip) in zip(point, turn, strict=True):
            turned[axis] = c if flip > 0 else shape[axis] - c
        points[label] = tuple(turned)
    return Centroids(direction, points)


def label_centroids(labels: Volume) -> Centroids:
    """Find the centres of mass of the vertebrae of a label map.

    VerSe's own centroids are the middles of the bodies. In three of its scans those lie 10 to 15 mm in front of the
    centres of mass.

    Args:
        labels: (x, y, z) integers, VerSe ids.

    Returns:
        the centres in voxels along the axes that the label map is stored in.

    Example:
        >>> from spine_tf.scans import volume_from_array
        >>> labels = np.zeros((8, 8, 8), np.int16)
        >>> labels[2:5, 3, 4] = 20
        >>> label_centroids(volume_from_array(labels, np.eye(4))).points
        {20: (3.0, 3.0, 4.0)}
    """
    vertebrae = np.where(spine_mask(labels.array), labels.array, 0)
    to_stored = np.linalg.inv(labels.grid.affine) @ labels.affine
    points = {}
    for label, box in enumerate(ndimage.find_objects(vertebrae), start=1):
        if box is not None:
            centre = np.array(ndimage.center_of_mass(vertebrae[box] == label)) + [side.start for side in box]
            points[label] = tuple(float(c) for c in to_stored[:3, :3] @ centre + to_stored[:3, 3])
    return Centroids(tuple(labels.grid.orientation), points)


def centroids_mm(centroids: Centroids, volume: Volume) -> dict[int, np.ndarray]:
    """Put centroids in mm.

    Args:
        centroids: of the scan.
        volume: any image of the scan.

    Returns:
        label -> (3,) float64, RAS+ mm.

    Example:
        >>> from spine_tf.scans import volume_from_array
        >>> volume = volume_from_array(np.zeros((8, 8, 8), np.int16), np.diag([2, 2, 3, 1]))
        >>> centroids_mm(Centroids(("R", "A", "S"), {20: (1.0, 2.0, 3.0)}), volume)[20].tolist()
        [2.0, 4.0, 9.0]
    """
    _, affine = _grid_along(volume, centroids.direction)
    points = _in_scan_voxels(centroids, volume).points
    return {label: affine[:3, :3] @ np.array(point) + affine[:3, 3] for label, point in points.items()}


def _in_scan_voxels(centroids: Centroids, volume: Volume) -> Centroids:
    if not centroids.iso:
        return centroids
    spacing_mm = np.linalg.norm(_grid_along(volume, centroids.direction)[1][:3, :3], axis=0)
    points = {label: tuple(np.array(point) / spacing_mm) for label, point in centroids.points.items()}
    return replace(centroids, points=points, iso=False)


def _grid_along(volume: Volume, direction: tuple[str, str, str]) -> tuple[list[int], np.ndarray]:
    """Work out the shape and affine (4, 4) that a scan's voxels would have along other axes."""
    turn = ornt_transform(io_orientation(volume.affine), axcodes2ornt(direction))
    shape = [0, 0, 0]
    for size, (axis, _) in zip(volume.shape, turn, strict=True):
        shape[int(axis)] = size
    return shape, volume.affine @ inv_ornt_aff(turn, volume.shape)


def _number(value) -> float:
    """A coordinate of a file; NaN where it has none."""
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"no number, {str(value)[:50]!r}")
    return float(value)


def _label(value) -> int:
    if not _number(value).is_integer():
        raise ValueError(f"no label, {value!r}")
    return int(value)


def _checked(direction: tuple) -> tuple[str, str, str]:
    if len(direction) != 3 or any(sum(letter in tuple(sides) for letter in direction) != 1 for sides in _SIDES):
        expected = "direction must be one letter of each of R/L, A/P and S/I"
        raise ValueError(f"{expected}. Received: {list(direction)}")
    return tuple(direction)
