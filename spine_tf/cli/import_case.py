"""Bring a CT and its label map (TotalSegmentator's or VerSe's labels) into VerSe's layout, to train on or to score."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from spine_tf.cli.common import DONE, CommonFlags
from spine_tf.config import MEMORY_BUDGET_GIB


@dataclass(frozen=True)
class Flags(CommonFlags):
    image: Path
    """The CT: a NIfTI file or a folder with a DICOM series."""
    mask: Path
    """Its label map, on the same grid."""
    name: str
    """Name of the subject, without `sub-`."""
    output: Path = Path("data/more")
    """Root of the tree; train.py --more takes it."""
    labels: Literal["totalsegmentator", "totalsegmentator_v1", "totalsegmentator_v3", "vertebrae_pp", "verse"] = (
        "totalsegmentator"
    )
    """How the label map numbers vertebrae."""
    source: str = ""
    """Where the scan comes from and under which licence; tables and model cards name it."""
    memory_budget_gib: float = MEMORY_BUDGET_GIB
    """Refuse, before reading it, a scan that would need more memory."""


def run(flags: Flags) -> int:
    from spine_tf.data.convert import import_case

    options = {name: value for name, value in vars(flags).items() if name != "quiet"}
    case = import_case(**options)
    print(f"{case.image}\n{case.mask}")
    return DONE
