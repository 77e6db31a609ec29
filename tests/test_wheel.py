"""The built wheel: what travels in it, and that it segments far from any checkout."""

import os
import re
import subprocess
import sys
import venv
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


@pytest.mark.slow
def test_installed_in_a_new_environment_the_command_gives_the_mask_of_the_checkout(wheel, tmp_path):
    """With the locked versions, from an empty folder, and by a command that could not reach the network."""
    locked = re.findall(r"^[a-z0-9].*==[^\\\n]+", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    (tmp_path / "constraints.txt").write_text("\n".join(re.sub(r"\[.*?\]", "", line) for line in locked))
    venv.create(tmp_path / "env", with_pip=True)
    scripts = tmp_path / "env" / "bin"
    install = [scripts / "pip", "install", "-q", "-c", tmp_path / "constraints.txt", wheel]
    done = subprocess.run(install, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]

    nib.save(nib.Nifti1Image(bright_block_hu(), np.diag([2.0, 2.0, 2.0, 1.0])), tmp_path / "scan.nii.gz")
    nowhere = {name: "http://127.0.0.1:9" for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")}
    alone = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PIP_NO_INDEX": "1", **nowhere}
    masks = []
    for name, command, environment in (
        ("new", [scripts / "spine-tf"], alone),
        ("checkout", [sys.executable, "-m", "spine_tf"], os.environ | {"PYTHONPATH": str(ROOT)}),
    ):
        empty = tmp_path / f"from-{name}"
        empty.mkdir()
        command += ["predict", tmp_path / "scan.nii.gz", "-o", tmp_path / name]
        done = subprocess.run(command, cwd=empty, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
        masks.append(nib.load(tmp_path / name / "scan_seg-spine_msk.nii.gz").get_fdata())
    np.testing.assert_array_equal(*masks)
