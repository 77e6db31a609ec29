"""Segments one scan: from a path or a volume to a result that shows and saves itself."""

import tempfile
import time
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from spine_tf.config import MEMORY_BUDGET_GIB, PREDICTION_BATCH, to_dict
from spine_tf.inference.engines import SHIPPED, Engine, load_engine
from spine_tf.inference.volume import segment_volume
from spine_tf.scans import Volume, describe_geometry, read_scan, write_mask, write_probability
from spine_tf.scans.file_names import is_nifti, nifti_stem
from spine_tf.support.environment import describe_environment, peak_memory_gib
from spine_tf.support.files import write_json
from spine_tf.viewer.overlay import save_overlay

SMALL_ML = 5.0
"""A mask below this volume is warned of: a single lumbar vertebra has about 60 ml."""

SUFFIXES = (".nii.gz", ".nii")


def case_name(path: Path) -> str:
    """Name a case after its file, without .nii, .nii.gz and VerSe's `_ct`, or after its DICOM folder.

    A link gives its own name, not its target's.

    Example:
        >>> case_name("scans/sub-verse014_ct.nii.gz")
        'sub-verse014'
    """
    stem = nifti_stem(path)
    return stem.removesuffix("_ct") or stem if is_nifti(path) else stem


def output_paths(output: Path, case: str) -> dict[str, Path]:
    """Give the files of a case by kind, named as VerSe names derivatives.

    Example:
        >>> output_paths("out", "a")["mask"].name
        'a_seg-spine_msk.nii.gz'
    """
    names = {
        "mask": f"{case}_seg-spine_msk.nii.gz",
        "picture": f"{case}_seg-spine_snp.png",
        "report": f"{case}_report.json",
        "probability": f"{case}_seg-spine_prob.nii.gz",
        "dicom_seg": f"{case}_seg-spine.dcm",
    }
    return {kind: Path(output) / name for kind, name in names.items()}


@dataclass(frozen=True, eq=False)
class SegmentedScan:
    """A scan with the mask that a network gave it. A notebook shows it as a picture."""

    case: str
    """What its files are named after."""
    volume: Volume
    """The scan, in RAS+ order."""
    mask: np.ndarray
    """(x, y, z) bool on the axes of the volume: True in vertebrae."""
    probability: np.ndarray
    """(x, y, z) float32 in [0, 1] on the same axes."""
    warnings: tuple[str, ...] = ()
    """One sentence for each thing that was found odd about the scan or its mask."""
    facts: dict = field(default_factory=dict, repr=False)
    """How it was made, as JSON types; the report holds them."""

    @property
    def mask_ml(self) -> float:
        """Volume of the mask in millilitres."""
        return mask_ml(self.mask, self.volume)

    def save(self, folder: str | Path, *, save_probability: bool = False) -> dict:
        """Write mask, picture and report; the report comes last, so that it tells that a case is done.

        The mask lies on the scan's own grid, with its affine, qform and sform. No file carries a patient's tags.

        Args:
            folder: is made where it is missing.
            save_probability: write the probabilities as well.

        Returns:
            what the report holds: geometry, volume of the mask, warnings, seconds, model and versions.
        """
        paths, start = output_paths(folder, self.case), time.monotonic()
        Path(folder).mkdir(parents=True, exist_ok=True)
        write_mask(paths["mask"], self.mask, self.volume)
        if save_probability:
            write_probability(paths["probability"], self.probability, self.volume)
        save_overlay(paths["picture"], self.volume, {"spine": self.mask})
        seconds = dict(self.facts.get("seconds", {})) | {"write": round(time.monotonic() - start, 3)}
        report = {
            "case": self.case,
            "mask": paths["mask"].name,
            "mask_ml": round(self.mask_ml, 2),
            "warnings": list(self.warnings),
            "geometry": describe_geometry(self.volume),
            **self.facts,
            "seconds": seconds,
            "total_seconds": round(sum(seconds.values()), 3),
            "peak_memory_gib": round(peak_memory_gib(), 2),
            "environment": describe_environment(),
        }
        write_json(paths["report"], report)
        return report

    def _repr_png_(self) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            picture = Path(folder) / "picture.png"
            save_overlay(picture, self.volume, {"spine": self.mask})
            return picture.read_bytes()


def segment(
    scan: str | Path | Volume,
    model: str | Path | Engine | None = None,
    *,
    case: str | None = None,
    series: str | None = None,
    assume_hu: bool = False,
    memory_budget_gib: float = MEMORY_BUDGET_GIB,
    clean_up: bool = True,
    flips: bool = False,
    fast: bool = False,
    batch_size: int = PREDICTION_BATCH,
    progress: bool = False,
) -> SegmentedScan:
    """Segment the spine in a CT scan.

    Args:
        scan: a NIfTI file, a folder with a DICOM series, or a volume (`read_scan`).
        model: what `load_engine` takes, or an engine, which many scans should share; None: the shipped model, which is
            loaded once a process.
        case: what files are named after; None: `case_name` of the path, or "scan".
        series, assume_hu, memory_budget_gib: as `read_scan` takes them.
        clean_up: drop small components of the mask.
        flips: also segment the mirror image (left and right) and average; at most twice the time.
        fast: take every second position and interpolate: about half the time of the network.
        batch_size: triplets at once.
        progress: show a bar.

    Raises:
        ScanError: the scan is refused; one line names it and says why.
        ValueError: the model cannot be loaded.

    Example:
        >>> hu = np.full((24, 24, 24), -1000, np.int16)
        >>> air = volume_from_array(hu, np.diag([2.0, 2.0, 2.0, 1.0]))
        >>> segment(air).mask.any()  # doctest: +SKIP
        False
    """
    engine = model if isinstance(model, Engine) else _shipped_engine() if model is None else load_engine(model)
    seconds = {}
    if isinstance(scan, Volume):
        volume = scan
    else:
        start = time.monotonic()
        volume = read_scan(scan, series=series, assume_hu=assume_hu, memory_budget_gib=memory_budget_gib)
        case, seconds["read"] = case or case_name(scan), round(time.monotonic() - start, 3)
    options = {"clean_up": clean_up, "flips": flips, "fast": fast}
    found = segment_volume(volume, engine, batch_size=batch_size, progress=progress, **options)
    facts = {
        "model": engine.name,
        "preprocess": to_dict(engine.spec),
        **options,
        "positions": found.positions,
        "seconds": seconds | found.seconds,
    }
    warnings = (*volume.warnings, *mask_warnings(found.mask, volume))
    return SegmentedScan(case or "scan", volume, found.mask, found.probability, warnings, facts)


def mask_ml(mask: np.ndarray, volume: Volume) -> float:
    """Measure a mask (x, y, z) of a volume in millilitres."""
    return float(np.count_nonzero(mask) * abs(np.linalg.det(volume.affine[:3, :3])) / 1000)


def mask_warnings(mask: np.ndarray, volume: Volume) -> list[str]:
    """Say in sentences what a person should know of a mask before trusting it."""
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


@lru_cache(maxsize=1)
def _shipped_engine() -> Engine:
    return load_engine(SHIPPED)
