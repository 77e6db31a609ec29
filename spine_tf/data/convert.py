"""Converts a scan and its label map from elsewhere into a case in VerSe's layout, to train on or to score.

A note beside the mask keeps where the two came from, so that a case found again still tells it.
"""

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
    """Write a scan and its label map in VerSe's layout and in RAS+ order.

    The CT becomes `rawdata/sub-<name>/sub-<name>_ct.nii.gz` below `output`. It is written last, so that a case that is
    found is whole.

    Args:
        image: a NIfTI file or a folder with a DICOM series.
        mask: a label map on the scan's grid.
        name: of the subject, without `sub-`.
        output: folder of the data set.
        labels: numbering of the label map, a key of NUMBERINGS.
        source: where scan and truth come from and under which licence, for tables and model cards.
        memory_budget_gib: GiB that reading the scan, or its mask, may need.

    Returns:
        the case as written; not `complete` where the labels are VerSe's.

    Raises:
        ScanError: a file is unusable, or the two do not share a grid.
        ValueError: an unknown numbering, or no vertebra in the mask.

    Example:
        >>> for file, array in (("ct", np.arange(-256, 256)), ("mask", np.full(512, 31))):  # 31: L1
        ...     nib.save(nib.Nifti1Image(array.reshape(8, 8, 8).astype(np.int16), np.eye(4)), f"{file}.nii")
        >>> case = import_case("ct.nii", "mask.nii", "anna", Path("data"))
        >>> case.mask.name, read_label_map(case.mask).array.max().item()
        ('sub-anna_seg-vert_msk.nii.gz', 20)
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
    vertebrae = relabelled(np.maximum(label_map.array, 0), NUMBERINGS[labels])
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
    """Add what `import_case` noted of a case, if the case was imported.

    Args:
        case: as `data.verse.find_cases` finds it.

    Returns:
        the case with the source and the completeness noted; any other case unchanged.
    """
    if case.mask is None or not _source_path(case.mask).is_file():
        return case
    noted = json.loads(_source_path(case.mask).read_text())
    return dataclasses.replace(case, source=noted["source"], complete=noted["labels"] != "verse")


def _source_path(mask: Path) -> Path:
    return mask.with_name(mask.name.replace("_seg-vert_msk.nii.gz", "_source.json"))
