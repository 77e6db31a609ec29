"""Holds a scan in memory: HU in RAS+ order, its affine in mm, and the grid it was stored on, for its mask.

Reorienting is flips and transposes only: voxels are moved, never interpolated, and what comes back is voxel exact.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from nibabel.orientations import aff2axcodes, apply_orientation, inv_ornt_aff, io_orientation, ornt_transform

GRID_TOLERANCE_MM = 1e-2
"""Two grids are one when no corner voxel is farther apart than this; float32 headers are off by 1e-4 mm at most."""


@dataclass(frozen=True, eq=False)
class Grid:
    """Describe the voxel grid of a scan as stored, in the terms of a NIfTI header, without a patient's tags.

    Example:
        >>> affine = np.diag([-1.0, -1.0, 2.5, 1.0])
        >>> Grid((512, 512, 100), affine, affine, 1, None, 0, "scan.nii").orientation
        'LPS'
    """

    shape: tuple[int, int, int]
    affine: np.ndarray
    """(4, 4) float64, voxel to RAS+ mm: the form that nibabel chooses (sform, else qform, else pixdim alone)."""
    qform: np.ndarray | None
    """(4, 4) float64, or None where qform_code is 0."""
    qform_code: int
    sform: np.ndarray | None
    """(4, 4) float64, or None where sform_code is 0."""
    sform_code: int
    source: str
    """Name of the file or folder, for messages only."""
    header_fields: dict = field(default_factory=dict, repr=False)
    """The header's geometry fields verbatim, so that a mask's are equal to the bit. Empty: made from the affine."""
    nifti_version: int = 1

    @property
    def orientation(self) -> str:
        """Where the stored axes point, e.g. "PIR"."""
        return "".join(aff2axcodes(self.affine))


@dataclass(frozen=True, eq=False)
class Volume:
    """Hold a scan, or a label map, in RAS+ order.

    Example:
        >>> volume = volume_from_array(np.zeros((8, 9, 10), np.int16), np.diag([-1, 1, 2, 1]))
        >>> volume.spacing_mm, volume.affine[0, 3]
        ((1.0, 1.0, 2.0), np.float64(-7.0))
    """

    array: np.ndarray
    """(x, y, z) int16 or float32, HU or the ids of a label map; x grows to the patient's right, y to the front, z to
    the head. It may have negative strides: turning a scan copies nothing."""
    affine: np.ndarray
    """(4, 4) float64, index of `array` to RAS+ mm."""
    grid: Grid
    warnings: tuple[str, ...] = ()
    """One sentence for each thing that was found odd and handled."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of `array`."""
        return self.array.shape

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Voxel sizes along the axes of `array`, in mm."""
        return tuple(float(s) for s in np.linalg.norm(self.affine[:3, :3], axis=0))

    def to_stored(self, array: np.ndarray) -> np.ndarray:
        """Turn an array from the volume's axes to those of the stored grid; nothing is copied.

        Args:
            array: (x, y, z, ...) of any dtype.

        Returns:
            (i, j, k, ...), flipped and transposed.

        Raises:
            ValueError: its first three axes are not the volume's, or the volume was resized and left its grid.
        """
        if array.shape[:3] != self.array.shape:
            raise ValueError(f"array must have the volume's shape {self.array.shape}. Received: shape {array.shape}")
        stored = apply_orientation(array, ornt_transform(io_orientation(self.affine), io_orientation(self.grid.affine)))
        if stored.shape[:3] != self.grid.shape:
            raise ValueError(
                f"array must fit the stored grid {self.grid.shape}. Received: {stored.shape[:3]} once turned"
            )
        return stored

    def as_stored(self) -> "Volume":
        """Give the same scan in stored order (`PreprocessSpec.canonical=False`); its `to_stored` changes nothing."""
        return replace(self, array=self.to_stored(self.array), affine=self.grid.affine)


def canonical_volume(stored: np.ndarray, grid: Grid, warnings: tuple[str, ...] = ()) -> Volume:
    """Turn an array (i, j, k) on its stored grid to RAS+ order; oblique grids go to the nearest axes."""
    turn = io_orientation(grid.affine)
    affine = grid.affine @ inv_ornt_aff(turn, grid.shape)
    return Volume(apply_orientation(stored, turn), affine, grid, tuple(warnings))


def grid_from_affine(shape: tuple[int, int, int], affine: np.ndarray, source: str) -> Grid:
    """Make the grid of what never was a NIfTI file (DICOM, phantom): qform and sform both say `affine`, code 1."""
    affine = np.asarray(affine, np.float64)
    return Grid(tuple(int(n) for n in shape), affine, affine, 1, affine, 1, source)


def volume_from_array(array: np.ndarray, affine: np.ndarray, source: str = "array") -> Volume:
    """Make a volume of an array and its affine, in any orientation; nothing is checked.

    Args:
        array: (i, j, k) int16 or float32, HU or labels.
        affine: (4, 4) index of `array` to RAS+ mm.
        source: a name for messages.

    Example:
        >>> hu = np.arange(3, dtype=np.int16).reshape(3, 1, 1)
        >>> volume_from_array(hu, np.diag([-1, 1, 1, 1])).array.ravel()
        array([2, 1, 0], dtype=int16)
    """
    return canonical_volume(array, grid_from_affine(array.shape, affine, source))


def same_grid(a: Volume | Grid, b: Volume | Grid) -> bool:
    """Tell whether two scans describe the same voxels once both are in RAS+ order.

    The order in which either file stores its axes does not count, nor which header field holds the affine: VerSe masks
    differ from their CT in both. Shapes must be equal and no corner voxel farther apart than GRID_TOLERANCE_MM.

    Example:
        >>> scan, mask = (volume_from_array(np.zeros((4, 5, 6)), np.diag([1, 1, z, 1])) for z in (2, 2.1))
        >>> same_grid(scan, scan), same_grid(scan, mask)
        (True, False)
    """
    shape_a, affine_a = _canonical_geometry(a)
    shape_b, affine_b = _canonical_geometry(b)
    return shape_a == shape_b and corner_distance_mm(affine_a, affine_b, shape_a) <= GRID_TOLERANCE_MM


def corner_distance_mm(affine_a: np.ndarray, affine_b: np.ndarray, shape: tuple[int, int, int]) -> float:
    """Measure how far apart two affines (4, 4) put a corner voxel of one shape at most, in mm."""
    corners = np.array([[*corner, 1] for corner in np.ndindex(2, 2, 2)], float)
    corners[:, :3] *= np.array(shape) - 1
    return float(np.linalg.norm((corners @ (affine_a - affine_b).T)[:, :3], axis=1).max())


def describe_geometry(volume: Volume) -> dict:
    """Give the geometry of a scan for reports, as JSON types; nothing in it comes from a tag or a file name.

    Example:
        >>> volume = volume_from_array(np.zeros((8, 9, 10), np.int16), np.diag([-1, 1, 2, 1]))
        >>> about = describe_geometry(volume)
        >>> about["extent_mm"], about["stored_orientation"]
        ([8.0, 9.0, 20.0], 'LAS')
    """
    grid = volume.grid
    return {
        "shape": [int(n) for n in volume.shape],
        "spacing_mm": [round(s, 4) for s in volume.spacing_mm],
        "extent_mm": [round(n * s, 1) for n, s in zip(volume.shape, volume.spacing_mm, strict=True)],
        "orientation": "".join(aff2axcodes(volume.affine)),
        "stored_shape": list(grid.shape),
        "stored_orientation": grid.orientation,
        "qform_code": grid.qform_code,
        "sform_code": grid.sform_code,
    }


def _canonical_geometry(thing: Volume | Grid) -> tuple[tuple[int, ...], np.ndarray]:
    turn = io_orientation(thing.affine)
    shape = [0, 0, 0]
    for axis, (target, _) in enumerate(turn):
        shape[int(target)] = int(thing.shape[axis])
    return tuple(shape), thing.affine @ inv_ornt_aff(turn, thing.shape)
