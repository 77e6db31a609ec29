"""Bring a CT and its label map (TotalSegmentator's or VerSe's labels) into VerSe's layout, to train on or to score."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro


@dataclass(frozen=True)
class Flags:
    image: Path
    """The CT: a NIfTI file or a folder with a DICOM series."""
    mask: Path
    """Its label map, on the same grid."""
    name: str
    """Name of the subject, without `sub-`."""
    output: Path = Path("data/more")
    """Root of the tree; train.py --more takes it."""
    labels: Literal["totalsegmentator", "verse"] = "totalsegmentator"
    """How the label map numbers vertebrae."""
    source: str = ""
    """Where the scan comes from and under which licence; tables and model cards name it."""


def main() -> int:
    flags = tyro.cli(Flags, description=__doc__)
    from spine_tf.data.convert import import_case
    from spine_tf.scans import ScanError

    try:
        case = import_case(flags.image, flags.mask, flags.name, flags.output, flags.labels, flags.source)
    except (ScanError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{case.image}\n{case.mask}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
