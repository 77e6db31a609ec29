"""Makes synthetic CT spines from a seed, and writes them in VerSe'20's layout."""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.orientations import apply_orientation, axcodes2ornt, inv_ornt_aff, io_orientation, ornt_transform

from spine_tf.data.cases import Case
from spine_tf.data.centroids import Centroids, write_centroids
from spine_tf.data.synthesis.phantom.anatomy import build_scene, draw_anatomy, draw_person
from spine_tf.data.synthesis.phantom.artefacts import unseen
from spine_tf.data.synthesis.phantom.field_of_view import draw_frame
from spine_tf.data.synthesis.phantom.gantry import MOST_DEG, shift_mm, tilted
from spine_tf.data.synthesis.phantom.physics import draw_appearance, render
from spine_tf.support.files import write_gzip
from spine_tf.support.progress import progress_bar

ORIENTATIONS = ("PIR", "RAS", "LPS", "LAS", "ASL", "PSR")
_SHARES = (0.5, 0.15, 0.1, 0.1, 0.1, 0.05)
"""Stored orientations, and how often each is drawn; VerSe's own are mostly the first."""

TILTED = 0.07
"""Share of scans with a tilted gantry."""


@dataclass(frozen=True)
class Phantom:
    """Holds a synthetic scan with its truth.

    Example:
        >>> scan = make_phantom(3, shape=(24, 24, 24), spacing_mm=4.0, region="lumbar")
        >>> scan.hu.shape, scan.hu.dtype.name, scan.labels.dtype.name, scan.spacing_mm
        ((24, 24, 24), 'int16', 'uint8', (4.0, 4.0, 4.0))
    """

    hu: np.ndarray
    """int16 (x, y, z) in RAS+ order."""
    labels: np.ndarray
    """uint8 (x, y, z), VerSe ids; 26 is the sacrum."""
    affine: np.ndarray
    """4x4 float64, voxels of `hu` to mm."""
    centroids: dict[int, tuple[float, float, float]]
    """VerSe id to the centre of the body in voxels (x, y, z), for vertebrae whose body centre is in the scan."""
    seed: int
    description: dict = field(default_factory=dict)
    """What was drawn, as plain JSON types."""

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Voxel size along x, y, z."""
        return tuple(float(s) for s in np.linalg.norm(self.affine[:3, :3], axis=0))


def make_phantom(seed: int, *, shape=None, spacing_mm=None, anatomy: str = "random", region: str = "random") -> Phantom:
    """Make one phantom: anatomy drawn from a seed and rendered as CT; the same arguments give the same bytes.

    Args:
        seed: at least 0.
        shape: (nx, ny, nz) voxels, each at least 16; None: drawn, at most about 4 million voxels.
        spacing_mm: a number or one per axis; None: drawn, 0.7 to 5 mm.
        anatomy: "random" (what is trained on) or "scoliosis_metal" (held out), see `anatomy.draw_person`.
        region: "cervical", "thoracic", "lumbar", "thoracolumbar", "whole", "pelvis", "head" or "random".

    Raises:
        ValueError: an unknown anatomy or region, or a shape or spacing that is no use.

    Example:
        >>> scan = make_phantom(3, shape=(32, 32, 32), spacing_mm=4.0, region="lumbar")
        >>> sorted(scan.centroids)
        [21, 22, 23]
    """
    if shape is not None and (len(shape) != 3 or min(shape) < 16):
        raise ValueError(f"shape must be three sizes of at least 16 voxels. Received: {shape}")
    if spacing_mm is not None and not np.all((np.asarray(spacing_mm) >= 0.3) & (np.asarray(spacing_mm) <= 10)):
        raise ValueError(f"spacing_mm must lie between 0.3 and 10. Received: {spacing_mm}")
    # One stream each, so that a change in one part of the phantom leaves the others as they were.
    streams = np.random.SeedSequence([seed, 0 if anatomy == "random" else 1]).spawn(4)
    rng_person, rng_field, rng_scene, rng_scan = (np.random.default_rng(stream) for stream in streams)
    person = draw_person(rng_person, anatomy, region)
    spine, trunk = draw_anatomy(person, rng_person)
    frame, around = draw_frame(rng_field, spine, trunk, person.region, shape, spacing_mm)
    scene = build_scene(person, spine, trunk, frame, rng_scene)
    tilt_deg = float(rng_field.uniform(-MOST_DEG, MOST_DEG)) if rng_field.random() < TILTED else 0.0
    if tilt_deg:
        scene = tilted(scene, tilt_deg)
    appearance = draw_appearance(rng_scan)
    hu = render(scene, appearance, rng_scan)
    labels, centroids = scene.labels(), {}
    empty = unseen(frame, appearance)
    if empty is not None:
        labels[empty] = 0
    for level in spine.levels:
        x, y, z = level.place.centre_mm
        at = frame.voxel((x, y + (shift_mm(z, frame, tilt_deg) if tilt_deg else 0.0), z))
        if at is not None and labels[tuple(np.rint(at).astype(int))]:
            centroids[level.label] = tuple(at.round(1).tolist())
    view = {"around": around, "gantry_deg": round(tilt_deg, 1), "cobb_deg": round(spine.cobb_deg, 1)}
    description = person.describe() | scene.notes | view | appearance.describe()
    return Phantom(hu, labels, frame.affine, centroids, seed, description)


def write_phantom(phantom: Phantom, root: Path, subject: str) -> Case:
    """Write a phantom as VerSe'20 has it, in an orientation drawn from its seed; files appear whole or not at all.

    Writes `rawdata/sub-<subject>/sub-<subject>_ct.nii.gz` and, below `derivatives`, `_seg-vert_msk.nii.gz` and
    `_seg-subreg_ctd.json`, the CT last: where it is, the case is complete.

    Args:
        phantom: what to write.
        root: folder of the data set.
        subject: without `sub-`.

    Returns:
        the case, with the paths of its files.

    Example:
        >>> case = write_phantom(make_phantom(3, shape=(16, 16, 16)), Path("phantoms"), "phantom0003")
        >>> case.subject, case.image.name
        ('sub-phantom0003', 'sub-phantom0003_ct.nii.gz')
    """
    case = _case(Path(root), subject, phantom.description.get("anatomy", "random"))
    codes = ORIENTATIONS[int(np.random.default_rng([phantom.seed, 7]).choice(len(ORIENTATIONS), p=_SHARES))]
    turn = ornt_transform(io_orientation(phantom.affine), axcodes2ornt(codes))
    affine = phantom.affine @ inv_ornt_aff(turn, phantom.hu.shape)
    stored_shape = apply_orientation(phantom.labels, turn).shape
    for path in (case.image, case.mask):
        path.parent.mkdir(parents=True, exist_ok=True)
    points = {}
    for label, centre in phantom.centroids.items():
        at = np.empty(3)
        for axis, (new, flip) in enumerate(turn):
            # The voxel itself, counted from the other end: VerSe's own tools write size - c, one voxel off.
            at[int(new)] = centre[axis] if flip > 0 else stored_shape[int(new)] - 1 - centre[axis]
        points[label] = tuple(at)
    write_centroids(case.centroids, Centroids(tuple(codes), points))
    _write_nifti(case.mask, apply_orientation(phantom.labels, turn), affine)
    _write_nifti(case.image, apply_orientation(phantom.hu, turn), affine)
    return case


def write_phantoms(root: Path, seeds, anatomy: str = "random", workers: int = 1, progress: bool = True) -> list[Case]:
    """Make and write a phantom per seed, subject `phantom<seed>`; complete cases that are there already are kept.

    Args:
        root: folder of the data set.
        seeds: at least 0 each.
        anatomy: see `make_phantom`.
        workers: processes; each needs about 0.5 GB.
        progress: show a progress bar.

    Returns:
        the cases, in the order of the seeds.

    Example:
        >>> _ = write_phantom(make_phantom(3, shape=(16, 16, 16)), Path("phantoms"), "phantom0003")
        >>> [case.subject for case in write_phantoms(Path("phantoms"), seeds=[3], progress=False)]
        ['sub-phantom0003']
    """
    seeds, root = list(seeds), Path(root)
    make = partial(_make_and_write, root, anatomy)
    bar = partial(progress_bar, total=len(seeds), desc=f"phantoms ({anatomy})", unit="scan", disable=not progress)
    if workers > 1:
        with ProcessPoolExecutor(workers) as pool:
            return list(bar(pool.map(make, seeds)))
    return list(bar(map(make, seeds)))


def _make_and_write(root: Path, anatomy: str, seed: int) -> Case:
    case = _case(root, f"phantom{seed:04d}", anatomy)
    if all(path.exists() for path in (case.image, case.mask, case.centroids)):
        return case
    return write_phantom(make_phantom(seed, anatomy=anatomy), root, case.subject.removeprefix("sub-"))


def _case(root: Path, subject: str, anatomy: str) -> Case:
    name = f"sub-{subject}"
    raw, derived = root / "rawdata" / name, root / "derivatives" / name
    return Case(
        name,
        name,
        raw / f"{name}_ct.nii.gz",
        derived / f"{name}_seg-vert_msk.nii.gz",
        derived / f"{name}_seg-subreg_ctd.json",
        f"phantom ({anatomy})",
    )


def _write_nifti(path: Path, array: np.ndarray, affine: np.ndarray) -> None:
    image = nib.Nifti1Image(np.ascontiguousarray(array), affine)
    image.header.set_xyzt_units("mm")
    image.set_qform(affine, 1)
    image.set_sform(affine, 1)
    write_gzip(path, image.to_bytes(), level=4)
