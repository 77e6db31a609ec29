"""Writes small DICOM series whose slices lie where a test says."""

from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk

SHAPE = (10, 9, 12)  # (columns, rows, slices)

SPACING = (0.8, 1.1)

STEP = 2.0

IDENTITY = np.eye(3)

UID = "1.2.826.0.1.3680043.2.1125.1"


def write_series(folder: Path, hu, positions, *, uid=UID, axes=IDENTITY, compress="", spacing=SPACING, **tags):
    """Write hu[:, :, k] at the LPS position positions[k]; columns of `axes`: row, column, normal."""
    folder.mkdir(parents=True, exist_ok=True)
    for k, position in enumerate(positions):
        image = sitk.GetImageFromArray(np.ascontiguousarray(hu[:, :, k].T)[None])
        image.SetSpacing((*spacing, 1.0))
        image.SetDirection(np.asarray(axes).ravel().tolist())
        image.SetOrigin([float(v) for v in position])
        # SliceThickness lies, as it may: slice distance has to come from the positions.
        written = {
            "0008|0060": "CT",
            "0018|0050": "7",
            "0020|000e": uid,
            "0020|000d": "1.2.3",
            "0010|0010": "Secret^Name",
        }
        written |= {"0008|0018": f"{uid}.{k}", "0028|1052": "0", "0028|1053": "1"}
        for tag, value in (written | {key.replace("_", "|")[1:]: v for key, v in tags.items()}).items():
            image.SetMetaData(tag, value)
        writer = sitk.ImageFileWriter()
        writer.SetImageIO("GDCMImageIO")
        writer.KeepOriginalImageUIDOn()
        if compress:
            writer.UseCompressionOn()
            writer.SetCompressor(compress)
        target = slice_path(folder, k, uid)
        writer.SetFileName(f"{target}.dcm")
        writer.Execute(image)
        Path(f"{target}.dcm").rename(target)


def slice_path(folder: Path, k: int, uid: str = UID) -> Path:
    """Where `write_series` writes slice k < 127: names neither end in .dcm nor sort in the order of the slices."""
    return folder / f"{uid[-3:]}{(k * 71) % 127:03d}"


def change_series(folder: Path, change) -> Path:
    """Make change(number, dataset) to each file of a series, in the order of their names."""
    for number, path in enumerate(sorted(folder.iterdir())):
        dataset = pydicom.dcmread(path)
        change(number, dataset)
        dataset.save_as(path)
    return folder


def some_hu(shape=SHAPE) -> np.ndarray:
    """Air, fat, muscle and bone in a random order, int16 HU."""
    rng = np.random.default_rng(0)
    tissue = rng.choice([-1000, -100, 50, 700], shape, p=[0.4, 0.2, 0.3, 0.1])
    return (tissue + rng.integers(-20, 21, shape)).astype(np.int16)


def even_positions(count=SHAPE[2], step=STEP, start=(-20.0, -30.0, 100.0)) -> list[np.ndarray]:
    """Positions of axial slices that lie `step` mm apart."""
    return [np.add(start, (0, 0, step * k)) for k in range(count)]
