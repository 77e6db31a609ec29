"""Segments one scan: from a path or a volume to a result that shows and saves itself."""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from spine_tf.config import MEMORY_BUDGET_GIB, PREDICTION_BATCH, to_dict
from spine_tf.inference.engines import SHIPPED, Engine, load_engine
from spine_tf.inference.outputs import case_name, write_case
from spine_tf.inference.provenance import made_from
from spine_tf.inference.volume import segment_volume
from spine_tf.scans import Volume, describe_geometry, read_scan, write_mask, write_probability
from spine_tf.scans.dicom_seg import write_dicom_seg
from spine_tf.scans.dicom_series import Slice
from spine_tf.support.environment import describe_environment, peak_memory_gib
from spine_tf.viewer.overlay import save_overlay

SMALL_ML = 5.0
"""A mask below this volume is warned of: a single lumbar vertebra has about 60 ml."""


@dataclass(frozen=True, eq=False)
class SegmentedScan:
    """A scan with the mask that a network gave it. A notebook shows it as a picture.

    Example:
        >>> from spine_tf.scans import volume_from_array
        >>> volume = volume_from_array(np.zeros((10, 10, 10), np.int16), np.diag([10.0, 10.0, 10.0, 1.0]))
        >>> mask = volume.array == 0
        >>> result = SegmentedScan("a", volume, mask, np.ones(mask.shape, np.float32))
        >>> round(result.mask_ml)
        1000
        >>> result.save("out")["mask"]
        'a_seg-spine_msk.nii.gz'
    """

    case: str
    """What its files are named after."""
    volume: Volume = field(repr=False)
    """The scan, in RAS+ order."""
    mask: np.ndarray = field(repr=False)
    """(x, y, z) bool on the axes of the volume: True in vertebrae."""
    probability: np.ndarray = field(repr=False)
    """(x, y, z) float32 in [0, 1] on the same axes."""
    warnings: tuple[str, ...] = ()
    """One sentence for each thing that was found odd about the scan or its mask."""
    facts: dict = field(default_factory=dict, repr=False)
    """How it was made, as JSON types; the report holds them."""

    @property
    def mask_ml(self) -> float:
        """Volume of the mask in millilitres."""
        return mask_ml(self.mask, self.volume)

    def save(
        self, folder: str | Path, *, save_probability: bool = False, slices: Sequence[Slice] | None = None
    ) -> dict:
        """Write mask, picture and report, all or none; the case's own earlier files are replaced, no others.

        The mask lies on the scan's own grid, with its affine, qform and sform. These files carry no patient's tags.

        Args:
            folder: is made where it is missing.
            save_probability: write the probabilities as well.
            slices: of the DICOM series (`scans.dicom_seg.slices_to_segment`): write a DICOM Segmentation as well, with
                the patient's tags that such a file must have.

        Returns:
            what the report holds: geometry, volume of the mask, warnings, seconds, model, versions, and the SHA-256 of
            each file.

        Raises:
            OutputError: the folder cannot be written, is full, or has a file of such a name that no report names.
        """
        start = time.monotonic()

        def write(paths: dict[str, Path]) -> dict:
            write_mask(paths["mask"], self.mask, self.volume)
            if save_probability:
                write_probability(paths["probability"], self.probability, self.volume)
            if slices is not None:
                write_dicom_seg(paths["dicom_seg"], self.mask, self.volume, slices, self.facts["model"])
            save_overlay(paths["picture"], self.volume, {"spine": self.mask})
            seconds = self.facts.get("seconds", {}) | {"write": round(time.monotonic() - start, 3)}
            return {
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

        return write_case(folder, self.case, write)

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

    Returns:
        the mask with its volume, warnings and facts.

    Raises:
        ScanError: the scan is refused; one line names it and says why.
        ModelError: the model cannot be loaded, or answers what is no probability.

    Example:
        >>> from spine_tf.scans import volume_from_array
        >>> air = volume_from_array(np.full((24, 24, 24), -1000, np.int16), np.diag([2.0, 2.0, 2.0, 1.0]))
        >>> result = segment(air)
        >>> result.mask.shape, result.warnings
        ((24, 24, 24), ('the mask is empty: no spine was found',))
    """
    engine = model if isinstance(model, Engine) else _shipped_engine() if model is None else load_engine(model)
    options = {"clean_up": clean_up, "flips": flips, "fast": fast}
    seconds, facts = {}, {"model": engine.name, "preprocess": to_dict(engine.spec), **options}
    if isinstance(scan, Volume):
        volume = scan
    else:
        start = time.monotonic()
        reading = {"series": series, "assume_hu": assume_hu, "memory_budget_gib": memory_budget_gib}
        facts["made_from"] = made_from(scan, engine, **options, **reading)
        volume = read_scan(scan, **reading)
        case, seconds["read"] = case or case_name(scan), round(time.monotonic() - start, 3)
    found = segment_volume(volume, engine, batch_size=batch_size, progress=progress, **options)
    facts |= {"positions": found.positions, "seconds": seconds | found.seconds}
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
