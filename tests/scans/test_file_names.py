from spine_tf.inference.one_scan import case_name
from spine_tf.scans.file_names import is_nifti, nifti_stem


def test_endings_in_any_letters():
    for name in ("a.nii", "a.nii.gz", "a.NII.GZ", "a.Nii.gz", "folder.x/a.NII"):
        assert is_nifti(name)
        assert nifti_stem(name) == "a"
    for name in ("a.nii.bz2", "a.gz", "nii", "a.nii.gz.json", "a"):
        assert not is_nifti(name)
        assert nifti_stem(name) == name


def test_a_link_has_its_own_name(tmp_path):
    key = tmp_path / "SHA256E-s38000--0f1e.nii.gz"
    key.write_bytes(b"")
    link = tmp_path / "sub-01_ct.NII.GZ"
    link.symlink_to(key)
    assert nifti_stem(link) == "sub-01_ct"
    assert case_name(link) == "sub-01"


def test_folders_have_a_name_however_they_are_written(tmp_path, monkeypatch):
    (tmp_path / "series").mkdir()
    monkeypatch.chdir(tmp_path / "series")
    assert [nifti_stem(path) for path in (".", "../series/", str(tmp_path / "series"))] == ["series"] * 3
