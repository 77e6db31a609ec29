"""Good and bad inputs of many kinds, through `predict` in one go: nothing bad ends more than its own case."""

import nibabel as nib
import numpy as np
import pytest

from spine_tf.cli.command import main
from spine_tf.cli.common import FAILED
from spine_tf.inference.outputs import output_paths
from tests.support.bad_scans import KINDS
from tests.support.dicom_series import STEP, write_series
from tests.support.scans import bright_block_hu


def _good(folder) -> list:
    """20 NIfTI files of four orders of axes and five types, and 10 DICOM series."""
    paths, hu = [], bright_block_hu()
    for order, signs in enumerate(np.array([[1, 1, 1], [-1, 1, 1], [-1, -1, 1], [1, 1, -1]])):
        for dtype in (np.int16, np.int32, np.float32, np.float64, np.uint16):
            shift = 1024 if dtype == np.uint16 else 0
            image = nib.Nifti1Image((np.float64(hu) + shift).astype(dtype), np.diag([*signs, 1]))
            if shift:
                image.header.set_slope_inter(1, -shift)
            paths.append(folder / f"good{order}{np.dtype(dtype).name}_ct.nii{'.gz' if order % 2 else ''}")
            nib.save(image, paths[-1])
    for number in range(10):
        paths.append(folder / f"series{number}")
        write_series(
            paths[-1],
            hu[:, :, :13],
            [(0.0, 0.0, STEP * k) for k in range(13)],
            uid=f"1.2.3.{number}",
            spacing=(1.0, 1.0),
        )
    return paths


def _taken(folder, output) -> list:
    """Scans that are good, but whose files' places are taken: by somebody's mask, a folder, an input, each other."""
    names = ("foreign", "folder", "manual", "twin", "sub/twin")
    (folder / "sub").mkdir()
    paths = [folder / f"{name}_ct.nii.gz" for name in names]
    for path in paths:
        nib.save(nib.Nifti1Image(bright_block_hu(), np.eye(4)), path)
    output_paths(output, "foreign")["mask"].write_text("somebody's")
    output_paths(output, "folder")["report"].mkdir()
    nib.save(
        nib.Nifti1Image((bright_block_hu() == 1000).astype(np.uint8), np.eye(4)), output_paths(output, "manual")["mask"]
    )
    return [*paths, output_paths(output, "manual")["mask"]]


@pytest.mark.slow
def test_good_ones_are_done_bad_ones_fail_with_a_line_each(threshold_lite, tmp_path, capsys):
    given, output = tmp_path / "given", tmp_path / "out"
    given.mkdir()
    output.mkdir()
    good = _good(given)
    bad = [make(given) for make in KINDS.values()] + _taken(given, output)
    before = {path: path.read_bytes() for path in output.rglob("*") if path.is_file()}
    assert len(good) == 30
    assert len(bad) > 30
    # Good and bad in turn, so that a good one follows each kind of bad one.
    inputs = [path for pair in zip(good, bad, strict=False) for path in pair] + bad[len(good) :]
    flags = ["--model", str(threshold_lite), "--output", str(output), "--device", "cpu", "--quiet"]
    assert main(["predict", *map(str, inputs), *flags]) == FAILED
    lines = capsys.readouterr().err.splitlines()
    names = [line.split(": ")[1] for line in lines if line.startswith("failed: ")]
    assert len(lines) == len(names) == len(bad)
    assert len(set(names)) == len(bad) - 1  # the twins
    masks = {path.name for path in output.glob("*_msk.nii.gz")} - {path.name for path in before}
    assert len(masks) == 30
    for name in masks:
        mask = np.asarray(nib.load(output / name).dataobj)
        # The block of 14 x 15 x 10 voxels, in every order of axes.
        assert 0.9 < mask.sum() / (14 * 15 * 10) < 1.1
    assert {path: path.read_bytes() for path in before} == before
    made = {path.name for path in output.iterdir() if path.is_file()} - {path.name for path in before}
    assert len(made) == 3 * 30
