"""Segment the spine of CT scans: NIfTI files and DICOM folders in; mask, picture and report of each out."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from spine_tf.cli.common import DONE, FAILED
from spine_tf.cli.segmentation_flags import SegmentationFlags


@dataclass(frozen=True)
class Flags(SegmentationFlags):
    inputs: tyro.conf.Positional[Annotated[tuple[Path, ...], tyro.conf.arg(metavar="INPUT [INPUT ...]")]]
    """NIfTI files (.nii, .nii.gz) and folders with a DICOM series."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """Folder for the results."""
    model: str | None = None
    """A .keras or .tflite file with its metadata.json beside it, a run's folder, a SavedModel, or a server's address
    (grpc://host:port/name[/version], http://...); None: the model that comes with spine_tf."""
    series: str | None = None
    """SeriesInstanceUID to take from a DICOM folder instead of the preferred one (original, axial, soft kernel)."""
    threads: int | None = None
    """CPU threads; None: all."""
    device: Literal["auto", "cpu", "gpu"] = "auto"
    """auto: a GPU where there is one."""


def run(flags: Flags) -> int:
    from spine_tf.inference.engines import SHIPPED, load_engine, runs_here_on_tensorflow
    from spine_tf.inference.predict import predict_cases
    from spine_tf.support.device import use_device

    model = flags.model or SHIPPED
    if runs_here_on_tensorflow(model):
        use_device(flags.device, flags.threads)
    engine = load_engine(model, flags.batch_size, flags.threads)
    own = ("inputs", "model", "output", "threads", "device", "quiet")
    options = {name: value for name, value in vars(flags).items() if name not in own}
    outcomes = predict_cases(flags.inputs, engine, flags.output, **options)
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    for outcome in failed:
        print(f"failed: {outcome.case}: {outcome.detail}", file=sys.stderr)
    return FAILED if failed else DONE
