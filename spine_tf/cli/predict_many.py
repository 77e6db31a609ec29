"""Segment thousands of CT scans with Ray Data: a folder or a CSV in; what predict.py writes of each out.

results.csv has a line for each case, failures.csv for each that failed; the same command again does what is not done.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from spine_tf.cli.common import DONE, FAILED
from spine_tf.cli.segmentation_flags import SegmentationFlags


@dataclass(frozen=True)
class Flags(SegmentationFlags):
    input: tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="INPUT")]]
    """Folder with NIfTI files and DICOM series anywhere below it, or a CSV with a column path and, optional, case."""
    output: Path
    """Folder for the results; on a cluster one that all its machines see."""
    model: str | None = None
    """As predict.py takes it; None: the model that comes with spine_tf."""
    workers: int = 1
    """Processes that segment at the same time, each with the model in memory."""
    cpus_per_worker: int | None = None
    """Cores of each; None: the cores there are, shared out evenly."""
    gpus_per_worker: float = 0.0
    """0: on the CPU; 1: a GPU each; 0.5: two share one."""
    address: str | None = None
    """Of a Ray cluster: auto (on one of its machines) or ray://host:10001; None: this machine alone."""


def run(flags: Flags) -> int:
    from spine_tf.inference.engines import SHIPPED
    from spine_tf.inference.many_scans import FAILURES, segment_many
    from spine_tf.inference.many_scans_input import find_scans

    options = {name: value for name, value in vars(flags).items() if name not in ("input", "model", "output", "quiet")}
    outcomes = segment_many(find_scans(flags.input, flags.output), flags.model or SHIPPED, flags.output, **options)
    failed = sum(outcome.status == "failed" for outcome in outcomes)
    if failed:
        print(f"{failed} of {len(outcomes)} scans failed: {flags.output / FAILURES}", file=sys.stderr)
    return FAILED if failed else DONE
