"""Scans in, three files each out: mask, picture, report. Done cases are skipped; a bad one does not stop the rest."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from spine_tf.inference.engines import Engine
from spine_tf.inference.one_scan import case_name, output_paths, segment
from spine_tf.scans import ScanError
from spine_tf.scans.dicom_seg import slices_to_segment, write_dicom_seg
from spine_tf.support.progress import progress_bar, say

DICOM_SEG = "dicom-seg"
"""A format: a DICOM Segmentation beside the NIfTI mask."""


@dataclass(frozen=True)
class Outcome:
    """What became of one input: status is "done", "skipped" (it was done before) or "failed"."""

    case: str
    status: str
    detail: str = ""


def predict_case(
    path: Path,
    engine: Engine,
    output: Path,
    *,
    case: str | None = None,
    format: str = "nifti",
    save_probability: bool = False,
    **options,
) -> dict:
    """Segment one scan and write its files.

    Args:
        path: a NIfTI file or a folder with a DICOM series.
        engine: the network and its pre-processing.
        output: folder that gets the files.
        case: what they are named after; None: `case_name(path)`.
        format: `DICOM_SEG` writes a DICOM Segmentation as well.
        save_probability: write the probabilities as well.
        options: those of `one_scan.segment`.

    Returns:
        the report, as `SegmentedScan.save` writes it.

    Raises:
        ScanError: the scan is refused; nothing is written.
    """
    slices = slices_to_segment(path, options.get("series")) if format == DICOM_SEG else None
    found = segment(path, engine, case=case, **options)
    # First: should it fail after all, there is no mask without it.
    if slices is not None:
        Path(output).mkdir(parents=True, exist_ok=True)
        write_dicom_seg(output_paths(output, found.case)["dicom_seg"], found.mask, found.volume, slices, engine.name)
    return found.save(output, save_probability=save_probability)


def predict_cases(
    inputs: Sequence[Path],
    engine: Engine,
    output: Path,
    *,
    names: Sequence[str] | None = None,
    overwrite: bool = False,
    progress: bool = True,
    **options,
) -> list[Outcome]:
    """Segment every input with a model loaded once; `options` are those of `predict_case`.

    Args:
        names: what the files of each input are named after; None: `case_name` of each.

    Raises:
        ValueError: no inputs, or two that would write the same files.
    """
    if not inputs:
        raise ValueError("inputs must be NIfTI files or DICOM folders, at least one. Received: none")
    names = [case_name(path) for path in inputs] if names is None else names
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"inputs must have different case names, or give them different --output. Received: {twice}")
    outcomes = []
    bar = progress_bar(list(zip(inputs, names, strict=True)), unit="scan", disable=not progress)
    for path, name in bar:
        bar.set_description(name)
        if not overwrite and is_done(output, name, options.get("format")):
            outcome = Outcome(name, "skipped", "done before; --overwrite does it again")
        else:
            outcome = _attempt(path, name, engine, output, progress=progress, **options)
        outcomes.append(outcome)
        say(f"{outcome.status:8} {name}: {outcome.detail}")
    return outcomes


def is_done(output: Path, case: str, format: str | None = None) -> bool:
    """Whether a case's report and the masks that `format` wants are on disk."""
    paths = output_paths(output, case)
    wanted = ("mask", "dicom_seg") if format == DICOM_SEG else ("mask",)
    try:
        reported = json.loads(paths["report"].read_text())["case"] == case
        return reported and all(paths[kind].is_file() for kind in wanted)
    except (OSError, ValueError, KeyError):
        return False


def _attempt(path: Path, name: str, engine: Engine, output: Path, **options) -> Outcome:
    # The old report goes first: a run that dies from here on leaves the case undone.
    output_paths(output, name)["report"].unlink(missing_ok=True)
    try:
        report = predict_case(path, engine, output, case=name, **options)
    except ScanError as error:
        return Outcome(name, "failed", str(error))
    except Exception as error:  # whatever goes wrong with one case, the rest goes on
        return Outcome(name, "failed", f"{Path(path).name}: {type(error).__name__}: {error}".splitlines()[0])
    detail = f"{report['mask_ml']:.0f} ml in {report['total_seconds']:.1f} s"
    return Outcome(name, "done", "; ".join([detail, *report["warnings"]]))
