"""Imports a scan and its label map from elsewhere as a case in VerSe's layout, to train on or to score."""

import dataclasses
import json
from pathlib import Path

import nibabel as nib
import numpy as np

from spine_tf.config import MEMORY_BUDGET_GIB
from spine_tf.data.cases import Case, grid_text
from spine_tf.scans import ScanError, read_label_map, read_scan, same_grid, volume_from_array, write_mask
from spine_tf.scans.labels import NUMBERINGS, relabelled, spine_mask
from spine_tf.support.files import write_gzip, write_json


def import_case(
    image: Path,
    mask: Path,
    name: str,
    output: Path,
    labels: str = "totalsegmentator",
    source: str = "",
    memory_budget_gib: float = MEMORY_BUDGET_GIB,
) -> Case:
    """Write a scan and its label map below `output` as VerSe has them, in RAS+ order, the CT last.

    Args:
        image: a NIfTI file or a DICOM series.
        mask: label map on the scan's grid.
        name: subject, without `sub-`; the CT becomes `rawdata/sub-<name>/sub-<name>_ct.nii.gz`.
        labels: a key of NUMBERINGS.
        source: where scan and truth come from and under which licence, for tables and model cards.
        memory_budget_gib: as `read_scan` takes it; for the mask, too.

    Returns:
        The case, as `find_cases` will find it below `output`.

    Raises:
        ScanError: a file is unusable, or the two do not share a grid.
        ValueError: an unknown numbering, or no vertebra in the mask.

    Example:
        >>> hu = np.random.default_rng(0).integers(-1000, 1000, (8, 8, 8)).astype(np.int16)
        >>> nib.Nifti1Image(hu, np.eye(4)).to_filename("ct.nii.gz")
        >>> nib.Nifti1Image((hu > 500).astype(np.uint8) * 27, np.eye(4)).to_filename("labels.nii.gz")
        >>> case = import_case("ct.nii.gz", "labels.nii.gz", "anna", "tree")
        >>> int(read_label_map(case.mask).array.max())  # TotalSegmentator's 27 is VerSe's 24, L5.
        24
    """
    if labels not in NUMBERINGS:
        raise ValueError(f"labels must be one of {sorted(NUMBERINGS)}. Received: labels={labels!r}")
    volume = read_scan(image, memory_budget_gib=memory_budget_gib)
    label_map = read_label_map(mask, memory_budget_gib=memory_budget_gib)
    if not same_grid(volume, label_map):
        raise ScanError(
            f"{name}: image and mask must share a grid. "
            f"Received: image {grid_text(volume)}; mask {grid_text(label_map)}"
        )
    vertebrae = relabelled(label_map.array, NUMBERINGS[labels])
    if not spine_mask(vertebrae).any():
        raise ValueError(f"mask must hold vertebrae labelled as {labels} does. Received: {Path(mask).name}")
    subject = f"sub-{name}"
    ct = Path(output) / "rawdata" / subject / f"{subject}_ct.nii.gz"
    seg = Path(output) / "derivatives" / subject / f"{subject}_seg-vert_msk.nii.gz"
    for path in (ct, seg):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_mask(seg, vertebrae, volume_from_array(volume.array, volume.affine))
    source = source or f"imported, labels as {labels}"
    write_json(_source_path(seg), {"source": source, "image": Path(image).name, "labels": labels})
    write_gzip(ct, nib.Nifti1Image(np.ascontiguousarray(volume.array), volume.affine).to_bytes())
    return Case(subject, name, ct, seg, source=source, complete=labels != "verse")


def with_source(case: Case) -> Case:
    """Add to a case that was found in a tree what `import_case` noted of it, if it was brought there so."""
    if case.mask is None or not _source_path(case.mask).is_file():
        return case
    noted = json.loads(_source_path(case.mask).read_text())
    return dataclasses.replace(case, source=noted["source"], complete=noted["labels"] != "verse")


def _source_path(mask: Path) -> Path:
    return mask.with_name(mask.name.replace("_seg-vert_msk.nii.gz", "_source.json"))
