"""Segments scans case by case: mask, picture and report of each; a bad one does not stop the rest.

A case is done when its report says that it was made from the same scan, model and options, and the files that are
wanted now are there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from spine_tf.inference.engines import Engine
from spine_tf.inference.one_scan import segment
from spine_tf.inference.outputs import case_name, check_free, find_conflicts, output_paths, prepare_output, read_report
from spine_tf.inference.provenance import made_from
from spine_tf.scans import ScanError
from spine_tf.scans.dicom_seg import slices_to_segment
from spine_tf.support.errors import SpineError
from spine_tf.support.progress import progress_bar, say

DICOM_SEG = "dicom-seg"
"""A format: a DICOM Segmentation beside the NIfTI mask."""


@dataclass(frozen=True)
class Outcome:
    """What became of one input."""

    case: str
    """What its files are named after."""
    status: str
    """One of "done", "skipped" (it was done before) and "failed"."""
    detail: str = ""
    """One line for a person."""


def predict_case(
    path: str | Path,
    engine: Engine,
    output: str | Path,
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
        OutputError: the files cannot be written, or would replace what is not the case's own.
        ModelError: the network answers what is no probability.
    """
    # Before minutes of work, not after them.
    check_free(output, case or case_name(path))
    slices = slices_to_segment(path, options.get("series")) if format == DICOM_SEG else None
    return segment(path, engine, case=case, **options).save(output, save_probability=save_probability, slices=slices)


def predict_cases(
    inputs: Sequence[str | Path],
    engine: Engine,
    output: str | Path,
    *,
    names: Sequence[str] | None = None,
    overwrite: bool = False,
    progress: bool = True,
    **options,
) -> list[Outcome]:
    """Segment every input with a model that is loaded once.

    Args:
        inputs: NIfTI files and folders with a DICOM series.
        engine: the network and its pre-processing.
        output: folder that gets the files; is made where it is missing.
        names: what the files of each input are named after; None: `case_name` of each.
        overwrite: do cases again that are done; files that no report of ours names stay in any case.
        progress: show bars.
        options: those of `predict_case`.

    Returns:
        an outcome for each input, in their order.

    Raises:
        ValueError: no inputs.
        OutputError: the folder cannot be made.

    Example:
        >>> import numpy as np
        >>> from spine_tf.config import PreprocessSpec
        >>> bright = Engine(lambda *views: np.stack(views, -1)[..., 1, :], PreprocessSpec(image_size=32), {}, "bright")
        >>> predict_cases(["none.nii.gz"], bright, "out", progress=False)[0].detail
        failed   none: none.nii.gz: a readable file is needed. Received: No such file or directory
        'none.nii.gz: a readable file is needed. Received: No such file or directory'
    """
    if not inputs:
        raise ValueError("inputs must be NIfTI files or DICOM folders, at least one. Received: none")
    names = [case_name(path) for path in inputs] if names is None else names
    prepare_output(output, names)
    outcomes, rows = [], list(zip(inputs, names, find_conflicts(inputs, names, output), strict=True))
    bar = progress_bar(rows, unit="scan", disable=not progress)
    for path, name, conflict in bar:
        bar.set_description(name)
        if conflict:
            outcome = Outcome(name, "failed", f"{Path(path).name}: {conflict}")
        else:
            outcome = _attempt(Path(path), name, engine, output, overwrite, progress=progress, **options)
        outcomes.append(outcome)
        say(f"{outcome.status:8} {name}: {outcome.detail}")
    return outcomes


def is_done(
    path: str | Path,
    engine: Engine,
    output: str | Path,
    case: str,
    *,
    format: str = "nifti",
    save_probability: bool = False,
    **options,
) -> bool:
    """Tell whether the files of a case are there, made from this scan with this model and these options.

    Args:
        path, engine, output, case, format, save_probability, options: as `predict_case` takes them.

    Raises:
        ScanError: as `made_from`, where there is a report to compare with.
    """
    report, paths = read_report(output, case), output_paths(output, case)
    wanted = {"mask": True, "picture": True, "dicom_seg": format == DICOM_SEG, "probability": save_probability}
    if report is None or "made_from" not in report:
        return False
    if not all(kind in report["files"] and paths[kind].is_file() for kind, is_wanted in wanted.items() if is_wanted):
        return False
    return report["made_from"] == made_from(path, engine, **options)


def _attempt(path: Path, name: str, engine: Engine, output: str | Path, overwrite: bool, **options) -> Outcome:
    """Segment one case unless it is done; whatever goes wrong with it, the rest goes on."""
    try:
        if not overwrite and is_done(path, engine, output, name, **options):
            return Outcome(name, "skipped", "done before; --overwrite does it again")
        report = predict_case(path, engine, output, case=name, **options)
    except Exception as error:
        words = str(error) if isinstance(error, SpineError) else f"{type(error).__name__}: {error}"
        reason = next(iter(words.splitlines()), "")
        return Outcome(name, "failed", reason if isinstance(error, ScanError) else f"{path.name}: {reason}")
    detail = f"{report['mask_ml']:.0f} ml in {report['total_seconds']:.1f} s"
    return Outcome(name, "done", "; ".join([detail, *report["warnings"]]))
