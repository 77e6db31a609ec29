"""The built wheel: what travels in it, and that it segments far from any checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from tests.support.paths import ROOT
from tests.support.scans import bright_block_hu


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, ROOT]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def test_code_the_shipped_model_and_both_licences_travel_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    code = {str(path.relative_to(ROOT)) for path in (ROOT / "spine_tf").rglob("*.py")}
    files = ("LICENSE", "README.md", "manifest.json", "metadata.json", "model.keras")
    model = {f"spine_tf/saved_models/spine-small/{name}" for name in files}
    assert {name for name in names if ".dist-info/" not in name and name.endswith(".py")} == code
    assert model <= set(names)
    others = {name for name in names if ".dist-info/" not in name} - code - model
    assert all(name.startswith("spine_tf/") and name.endswith(".md") for name in others)
    licences = {name.split(".dist-info/licenses/")[1] for name in names if ".dist-info/licenses/" in name}
    assert licences == {"LICENSE", "saved_models/spine-small/LICENSE"}


def test_the_wheel_alone_gives_the_mask_of_the_checkout(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    nib.save(nib.Nifti1Image(bright_block_hu(), np.diag([2.0, 2.0, 2.0, 1.0])), tmp_path / "scan.nii.gz")
    code = """
import sys, spine_tf as st
print(st.__file__)
st.segment(sys.argv[1]).save(sys.argv[2])
"""
    masks = []
    for name, where in (("wheel", tmp_path / "site"), ("checkout", ROOT)):
        empty = tmp_path / f"from-{name}"
        empty.mkdir()
        command = [sys.executable, "-c", code, tmp_path / "scan.nii.gz", tmp_path / name]
        environment = os.environ | {"PYTHONPATH": str(where)}
        done = subprocess.run(command, cwd=empty, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
        assert Path(done.stdout.splitlines()[0]).is_relative_to(where)
        masks.append(nib.load(tmp_path / name / "scan_seg-spine_msk.nii.gz").get_fdata())
    np.testing.assert_array_equal(*masks)
