"""Holds the flags that `predict` and `predict-many` share."""

from dataclasses import dataclass
from typing import Literal

from spine_tf.cli.common import CommonFlags
from spine_tf.config import MEMORY_BUDGET_GIB, PREDICTION_BATCH


@dataclass(frozen=True, kw_only=True)
class SegmentationFlags(CommonFlags):
    """Flags of what is done with each scan."""

    overwrite: bool = False
    """Do cases again that are done."""
    assume_hu: bool = False
    """Take the values for HU, whatever they look like."""
    memory_budget_gib: float = MEMORY_BUDGET_GIB
    """Refuse, before reading it, a scan that would need more memory; as it is for each worker."""
    format: Literal["nifti", "dicom-seg"] = "nifti"
    """dicom-seg: also write <case>_seg-spine.dcm, a DICOM Segmentation of the series (with its patient's tags)."""
    save_probability: bool = False
    """Also write <case>_seg-spine_prob.nii.gz."""
    clean_up: bool = True
    """Drop small components of the mask."""
    flips: bool = False
    """Also segment the mirror image and average; at most twice the time."""
    fast: bool = False
    """Take every second position and interpolate: about half the time, for a little of the Dice."""
    batch_size: int = PREDICTION_BATCH
    """Triplets the network gets at once."""
