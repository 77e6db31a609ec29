"""Reads what a NIfTI-1 or NIfTI-2 header declares, and checks it before any voxel is read.

Fields that contradict each other are refused, or, where the rest tells what is meant, warned of and never copied into
a mask.
"""

from dataclasses import dataclass
from math import prod

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError

from spine_tf.scans.checks import (
    SPACING_RANGE_MM,
    check_affine,
    check_extent,
    check_memory,
    check_shape,
    refuse,
)
from spine_tf.scans.volume import GRID_TOLERANCE_MM, Grid, corner_distance_mm

HEADER_BYTES = 540
"""Enough of the file's beginning for either version (348 bytes in NIfTI-1)."""
MAX_OFFSET = 1 << 26
"""Voxels begin before this byte; extensions that hold a whole DICOM header need far less."""
_QUATERNION = ("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z")
_ROWS = ("srow_x", "srow_y", "srow_z")
_UNITS = {1: ("metres", 1000.0), 3: ("micrometres", 0.001)}
_MILLIMETRES = 2


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
    """Parse and check the beginning of an uncompressed NIfTI file.

    Args:
        start: its first HEADER_BYTES.
        source: name of the file.
        memory_budget_gib: see `check_memory`.

    Raises:
        ScanError: not a NIfTI file, a two-file pair, not a three-dimensional real image, too large, a grid that
            `check_affine` or `check_extent` refuses, or fields that contradict each other.
    """
    header = _parse(start, source)
    try:
        shape, dtype = header.get_data_shape(), header.get_data_dtype()
    except (HeaderDataError, KeyError) as error:
        raise refuse(source, "the header must declare a known shape and data type", error) from error
    if dtype.kind not in "iuf":
        raise refuse(source, "voxels must be real numbers, not colours or complex", f"data type {dtype.name or dtype}")
    if header["bitpix"] != 8 * dtype.itemsize:
        raise refuse(source, f"bitpix must be that of {dtype.name}, {8 * dtype.itemsize}", header["bitpix"])
    shape, warnings = check_shape(shape, source)
    check_memory(shape, dtype.itemsize, memory_budget_gib, source)
    with np.errstate(all="ignore"):  # Overflow ends as an infinite affine, which is refused in words.
        grid, geometry_warnings = _grid(header, shape, source)
    slope, intercept, scale_warnings = _scaling(header, source)
    offset = float(header["vox_offset"])
    if not (header.single_vox_offset <= offset <= MAX_OFFSET and offset.is_integer()):
        expected = f"voxels must begin after the header, at a whole byte up to {MAX_OFFSET}"
        raise refuse(source, expected, f"vox_offset {offset:g}")
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
    """The grid in mm, with the fields that a mask may copy, and warnings."""
    sizes = np.array(header["pixdim"][1:4], np.float64)
    if not (np.isfinite(sizes).all() and (sizes > 0).all()):
        raise refuse(source, "voxel sizes (pixdim) must be finite and positive", sizes.tolist())
    codes = {name: int(header[f"{name}_code"]) for name in ("qform", "sform")}
    for name, code in codes.items():
        if not 0 <= code <= 4:
            raise refuse(source, f"{name}_code must be one of 0 to 4", code)
    qform, trouble = _qform(header)
    warnings = []
    if codes["qform"] and trouble:
        if not codes["sform"]:
            raise refuse(source, "the qform must be a rotation", trouble)
        warnings.append(f"the qform is no rotation ({trouble}); the sform is used")
        codes["qform"] = 0
    forms = {"qform": qform, "sform": _sform(header, codes["sform"])}
    chosen, other = ("sform", "qform") if codes["sform"] else ("qform", "sform")
    if not codes[chosen]:
        forms = {chosen: header.get_base_affine(), other: None}
        warnings.append(
            "neither qform nor sform is set; orientation and origin are unknown, LAS and the centre assumed"
        )
    scale, units, unit_warnings = _millimetres(header, forms[chosen])
    forms = {name: None if form is None else np.diag([scale] * 3 + [1]) @ form for name, form in forms.items()}
    affine = forms[chosen]
    check_affine(affine, source)
    check_extent(shape, affine, source)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    apart = 0.0 if forms[other] is None else corner_distance_mm(affine, forms[other], shape)
    if apart > GRID_TOLERANCE_MM:
        unset = "" if codes[other] else f" ({other}_code is 0)"
        warnings.append(f"sform and qform differ by up to {apart:.3g} mm{unset}; the {chosen} is used")
    elif not np.allclose(spacing, sizes * scale, rtol=1e-3):
        warnings.append("the voxel sizes in pixdim differ from those of the affine; the affine is used")
        sizes = spacing / scale
    fields = {name: _finite(header[name]) for name in _ROWS}
    fields |= {name: 0 if trouble else header[name] for name in _QUATERNION}
    fields |= {"qform_code": codes["qform"], "sform_code": codes["sform"], "xyzt_units": units}
    fields["pixdim"] = np.array([_qfac(header), *sizes])
    version = 2 if isinstance(header, nib.Nifti2Header) else 1
    qform, sform = (forms[name] if codes[name] else None for name in ("qform", "sform"))
    grid = Grid(shape, affine, qform, codes["qform"], sform, codes["sform"], source, fields, version)
    return grid, (*warnings, *unit_warnings)


def _finite(values):
    return values.copy() if np.isfinite(values).all() else np.zeros_like(values)


def _qfac(header):
    # NIfTI-1 standard: 0 counts as 1.
    return -1.0 if header["pixdim"][0] == -1 else 1.0


def _sform(header, code):
    """The sform as an affine; None where its code is 0 and it holds nothing of use."""
    form = header.get_sform()
    return form if code or (np.isfinite(form).all() and form[:3].any()) else None


def _qform(header):
    """The qform as an affine, None where nothing of use is there; and what is wrong with it."""
    qfac = float(header["pixdim"][0])
    if qfac not in (-1, 0, 1):
        return None, f"qfac {qfac:g}"
    whole = header.copy()
    whole["pixdim"][0] = _qfac(header)
    try:
        form = whole.get_qform()
    except (HeaderDataError, ValueError) as error:
        return None, str(error)
    if not np.isfinite(form).all():
        return None, "not finite"
    return (form if header["qform_code"] or any(header[name] for name in _QUATERNION) else None), ""


def _millimetres(header, affine):
    """What turns the file's lengths into mm, the xyzt_units that a mask may copy, and warnings."""
    units = int(header["xyzt_units"])
    if units % 8 in (0, _MILLIMETRES):
        return 1.0, units, ()
    millimetres = units - units % 8 + _MILLIMETRES
    if units % 8 not in _UNITS:
        return 1.0, millimetres, (f"xyzt_units {units} names no unit of length; read as millimetres",)
    name, scale = _UNITS[units % 8]
    spacing, (low, high) = np.linalg.norm(affine[:3, :3], axis=0) * scale, SPACING_RANGE_MM
    if ((spacing >= low) & (spacing <= high)).all():
        return scale, units, (f"the header declares {name}; converted to millimetres",)
    return 1.0, millimetres, (f"the header declares {name}, which its voxel sizes do not fit; read as millimetres",)


def _scaling(header, source):
    """Slope, intercept and warnings."""
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0:  # The standard's word for "not scaled".
        return 1.0, 0.0, ()
    if np.isnan(slope):
        return 1.0, 0.0, ("scl_slope is NaN; the values are read unscaled",)
    if not (np.isfinite(slope) and np.isfinite(intercept) and slope > 0):
        expected = "scl_slope and scl_inter must be finite, scl_slope not below 0"
        raise refuse(source, expected, f"{slope:g}, {intercept:g}")
    return slope, intercept, ()
