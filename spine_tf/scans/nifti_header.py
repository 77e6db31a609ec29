"""What a NIfTI-1 or NIfTI-2 header declares: checked, with its affine chosen, before any voxel is read."""

from dataclasses import dataclass
from math import prod

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError

from spine_tf.scans.checks import check_affine, check_memory, check_shape, refuse
from spine_tf.scans.volume import GRID_TOLERANCE_MM, Grid, corner_distance_mm

HEADER_BYTES = 540
"""Enough of the file's beginning for either version (348 bytes in NIfTI-1)."""
_GEOMETRY_FIELDS = (
    *("qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z"),
    *("srow_x", "srow_y", "srow_z", "xyzt_units"),
)


@dataclass(frozen=True)
class Declared:
    """What is needed to read the voxels."""

    grid: Grid
    dtype: np.dtype
    offset: int
    """First byte of the voxels."""
    slope: float
    intercept: float
    warnings: tuple[str, ...]

    @property
    def voxel_bytes(self) -> int:
        """Bytes of all voxels as stored."""
        return prod(self.grid.shape) * self.dtype.itemsize


def read_header(start: bytes, source: str, memory_budget_gib: float) -> Declared:
    """Parse and check the first HEADER_BYTES of an uncompressed NIfTI file.

    Raises:
        ScanError: not a NIfTI file, a two-file pair, not a three-dimensional real image, too large, or a geometry that
            `check_affine` refuses.
    """
    header = _parse(start, source)
    try:
        shape, dtype = header.get_data_shape(), header.get_data_dtype()
    except (HeaderDataError, KeyError) as error:
        raise refuse(source, "the header must declare a known shape and data type", error) from error
    if dtype.kind not in "iuf":
        raise refuse(source, "voxels must be real numbers, not colours or complex", f"data type {dtype.name or dtype}")
    shape, warnings = check_shape(shape, source)
    check_memory(shape, dtype.itemsize, memory_budget_gib, source)
    with np.errstate(all="ignore"):  # Overflow ends as an infinite affine, which is refused in words.
        grid, geometry_warnings = _grid(header, shape, source)
    slope, intercept, scale_warnings = _scaling(header, source)
    offset = float(header["vox_offset"])
    if not len(header.structarr.tobytes()) <= offset < 2**40:
        raise refuse(source, "voxels must begin after the header", f"vox_offset {offset:g}")
    return Declared(grid, dtype, int(offset), slope, intercept, warnings + geometry_warnings + scale_warnings)


def _parse(start, source):
    for cls, size in ((nib.Nifti1Header, 348), (nib.Nifti2Header, 540)):
        for order in ("<", ">"):
            if len(start) >= size and int(np.frombuffer(start[:4], f"{order}i4")[0]) == size:
                header = cls(start[:size], endianness=order, check=False)
                magic = header["magic"].item()
                if magic[:3] in (b"ni1", b"ni2"):
                    raise refuse(source, "a single NIfTI file is needed", "the header of a .hdr/.img pair")
                if magic[:3] in (b"n+1", b"n+2"):
                    return header
    if start[128:132] == b"DICM":
        raise refuse(source, "a NIfTI file or a folder of DICOM slices is needed", "a single DICOM file")
    raise refuse(source, "a NIfTI-1 or NIfTI-2 file is needed", f"{len(start)} bytes that begin with {start[:8]!r}")


def _grid(header, shape, source):
    pixdim = np.array(header["pixdim"][:4], np.float64)
    if not (np.isfinite(pixdim).all() and (pixdim[1:] > 0).all()):
        raise refuse(source, "voxel sizes (pixdim) must be finite and positive", pixdim[1:].tolist())
    # NIfTI-1 standard: a qfac that is neither 1 nor -1 counts as 1.
    pixdim[0] = -1.0 if pixdim[0] == -1 else 1.0
    header["pixdim"][0] = pixdim[0]
    qform_code, sform_code = int(header["qform_code"]), int(header["sform_code"])
    sform = header.get_sform() if sform_code > 0 else None
    warnings = []
    qform = None
    if qform_code > 0:
        try:
            qform = header.get_qform()
        except (HeaderDataError, ValueError) as error:
            if sform is None:
                raise refuse(source, "the qform must be a rotation", error) from error
            warnings.append("the qform is no rotation; the sform is used")
    if sform is not None:
        affine = sform
    elif qform is not None:
        affine = qform
    else:
        affine = header.get_base_affine()
        warnings.append(
            "neither qform nor sform is set; orientation and origin are unknown, LAS and the centre assumed"
        )
    check_affine(affine, source)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if sform is not None and qform is not None and corner_distance_mm(sform, qform, shape) > GRID_TOLERANCE_MM:
        apart = corner_distance_mm(sform, qform, shape)
        warnings.append(f"sform and qform differ by up to {apart:.3g} mm; the sform is used")
    elif not np.allclose(spacing, pixdim[1:], rtol=1e-3):
        warnings.append("the voxel sizes in pixdim differ from those of the affine; the affine is used")
    if int(header["xyzt_units"]) % 8 in (1, 3):
        unit = {1: "metres", 3: "micrometres"}[int(header["xyzt_units"]) % 8]
        warnings.append(f"the header declares {unit}, which its voxel sizes do not fit; read as millimetres")
    fields = {name: np.array(header[name]) for name in _GEOMETRY_FIELDS} | {"pixdim": pixdim}
    version = 1 if isinstance(header, nib.Nifti1Header) and not isinstance(header, nib.Nifti2Header) else 2
    return Grid(shape, affine, qform, qform_code, sform, sform_code, source, fields, version), tuple(warnings)


def _scaling(header, source):
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0:  # The standard's word for "not scaled".
        return 1.0, 0.0, ()
    if np.isnan(slope):
        return 1.0, 0.0, ("scl_slope is NaN; the values are read unscaled",)
    if not (np.isfinite(slope) and np.isfinite(intercept)):
        raise refuse(source, "scl_slope and scl_inter must be finite", f"{slope:g}, {intercept:g}")
    return slope, intercept, ()
