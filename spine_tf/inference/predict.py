"""Scans in, three files each out: mask, picture, report. Done cases are skipped; a bad one does not stop the rest."""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from spine_tf.config import PREDICTION_BATCH, to_dict
from spine_tf.inference.engines import Engine
from spine_tf.inference.volume import segment
from spine_tf.scans import ScanError, Volume, describe_geometry, read_scan, write_mask, write_probability
from spine_tf.scans.dicom_seg import slices_to_segment, write_dicom_seg
from spine_tf.support.environment import describe_environment, peak_memory_gib
from spine_tf.support.files import write_json
from spine_tf.viewer.overlay import save_overlay

SMALL_ML = 5.0
"""A mask below this volume is warned of: a single lumbar vertebra has about 60 ml."""

DICOM_SEG = "dicom-seg"
"""A format: a DICOM Segmentation beside the NIfTI mask."""

SUFFIXES = (".nii.gz", ".nii")


@dataclass(frozen=True)
class Outcome:
    """What became of one input: status is "done", "skipped" (it was done before) or "failed"."""

    case: str
    status: str
    detail: str = ""


def case_name(path: Path) -> str:
    """The case of an input: its file name without .nii, .nii.gz and VerSe's `_ct`; a DICOM folder's own name."""
    name = Path(path).resolve().name
    for suffix in SUFFIXES:
        if name.endswith(suffix):
            stem = name.removesuffix(suffix)
            return stem.removesuffix("_ct") or stem
    return name


def output_paths(output: Path, case: str) -> dict[str, Path]:
    """Where a case's files go, by kind, named as VerSe names derivatives."""
    names = {
        "mask": f"{case}_seg-spine_msk.nii.gz",
        "picture": f"{case}_seg-spine_snp.png",
        "report": f"{case}_report.json",
        "probability": f"{case}_seg-spine_prob.nii.gz",
        "dicom_seg": f"{case}_seg-spine.dcm",
    }
    return {kind: Path(output) / name for kind, name in names.items()}


def predict_case(
    path: Path,
    engine: Engine,
    output: Path,
    *,
    case: str | None = None,
    series: str | None = None,
    assume_hu: bool = False,
    format: str = "nifti",
    save_probability: bool = False,
    clean_up: bool = True,
    flips: bool = False,
    fast: bool = False,
    batch_size: int = PREDICTION_BATCH,
    progress: bool = False,
) -> dict:
    """Segment one scan and write its files; the report is written last, so that it tells a case is done.

    Args:
        case: what its files are named after; None: `case_name(path)`.

    Returns:
        the report: geometry, volume of the mask, warnings, seconds, model and versions; no patient's tag.

    Raises:
        ScanError: the scan is refused; nothing is written.
    """
    start, case = time.monotonic(), case or case_name(path)
    slices = slices_to_segment(path, series) if format == DICOM_SEG else None
    volume = read_scan(path, series=series, assume_hu=assume_hu)
    read_seconds = time.monotonic() - start
    options = {"batch_size": batch_size, "clean_up": clean_up, "flips": flips, "fast": fast}
    result = segment(volume, engine, **options, progress=progress)
    paths, clock = output_paths(output, case), time.monotonic()
    Path(output).mkdir(parents=True, exist_ok=True)
    # First: should it fail after all, there is no mask without it.
    if slices is not None:
        write_dicom_seg(paths["dicom_seg"], result.mask, volume, slices, engine.name)
    write_mask(paths["mask"], result.mask, volume)
    if save_probability:
        write_probability(paths["probability"], result.probability, volume)
    save_overlay(paths["picture"], volume, {"spine": result.mask})
    warnings = (*volume.warnings, *mask_warnings(result.mask, volume))
    report = {
        "case": case,
        "mask": paths["mask"].name,
        "mask_ml": round(mask_ml(result.mask, volume), 2),
        "warnings": list(warnings),
        "geometry": describe_geometry(volume),
        "model": engine.name,
        "preprocess": to_dict(engine.spec),
        "clean_up": clean_up,
        "flips": flips,
        "fast": fast,
        "positions": result.positions,
        "seconds": {"read": round(read_seconds, 3), **result.seconds, "write": round(time.monotonic() - clock, 3)},
        "total_seconds": round(time.monotonic() - start, 3),
        "peak_memory_gib": round(peak_memory_gib(), 2),
        "environment": describe_environment(),
    }
    write_json(paths["report"], report)
    return report


def mask_ml(mask: np.ndarray, volume: Volume) -> float:
    """Volume of a mask in millilitres."""
    return float(np.count_nonzero(mask) * abs(np.linalg.det(volume.affine[:3, :3])) / 1000)


def mask_warnings(mask: np.ndarray, volume: Volume) -> list[str]:
    """Sentences about a mask that a person should look at before trusting it."""
    found = mask_ml(mask, volume)
    if found == 0:
        return ["the mask is empty: no spine was found"]
    warnings = []
    if found < SMALL_ML:
        warnings.append(f"the mask is small: {found:.1f} ml, under {SMALL_ML:g} ml")
    ends = {"left": mask[0], "right": mask[-1], "back": mask[:, 0], "front": mask[:, -1]}
    ends |= {"lower end": mask[:, :, 0], "upper end": mask[:, :, -1]}
    touched = [name for name, plane in ends.items() if plane.any()]
    if touched:
        warnings.append(f"the mask touches the border of the scan ({', '.join(touched)}): the spine may go on outside")
    return warnings


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
    bar = tqdm(list(zip(inputs, names, strict=True)), unit="scan", disable=not progress)
    for path, name in bar:
        bar.set_description(name)
        if not overwrite and is_done(output, name, options.get("format")):
            outcome = Outcome(name, "skipped", "done before; --overwrite does it again")
        else:
            outcome = _attempt(path, name, engine, output, progress=progress, **options)
        outcomes.append(outcome)
        tqdm.write(f"{outcome.status:8} {name}: {outcome.detail}")
    return outcomes


def exit_status(outcomes: Sequence[Outcome]) -> int:
    """0 when nothing failed, else 1, after a line on stderr for each case that did."""
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    for outcome in failed:
        print(f"failed: {outcome.case}: {outcome.detail}", file=sys.stderr)
    return 1 if failed else 0


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
