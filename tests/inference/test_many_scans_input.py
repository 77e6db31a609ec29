from pathlib import Path

import pytest

from spine_tf.inference.many_scans_input import Scan, find_scans


def _touch(root: Path, *names: str, content: bytes = b"") -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)


def _dicom(root: Path, *names: str) -> None:
    _touch(root, *names, content=bytes(128) + b"DICM")


def _found(root: Path, output: Path | None = None) -> dict[str, str]:
    return {scan.case: str(scan.path.relative_to(root.resolve())) for scan in find_scans(root, output)}


def test_verse_as_it_is_unzipped(tmp_path):
    ct = "01_training/rawdata/sub-verse004/sub-verse004_ct.nii.gz"
    mask = "derivatives/sub-verse004/sub-verse004_seg-vert_msk.nii.gz"
    _touch(tmp_path, ct, f"01_training/{mask}", "01_training/derivatives/sub-verse004/sub-verse004_ct.nii.gz")
    _touch(tmp_path, "miccai/verse400_verse090_CT-ax.nii.gz", "miccai/verse400_verse090_CT-ax_seg.nii.gz")
    _touch(tmp_path, "miccai/verse011.nii.gz", "miccai/verse011_seg.nii.gz", "miccai/verse011_ctd.json")
    assert _found(tmp_path) == {
        "sub-verse004": ct,
        "verse400_verse090_CT-ax": "miccai/verse400_verse090_CT-ax.nii.gz",
        "verse011": "miccai/verse011.nii.gz",
    }


def test_masks_hidden_files_and_results_are_no_scans(tmp_path):
    _touch(
        tmp_path,
        "a.nii",
        "UPPER_ct.NII.GZ",
        "ct/b.nii.gz",
        "masks/b.nii.gz",
        "labelsTr/b.nii.gz",
        ".cache/c.nii.gz",
        ".d.nii.gz",
    )
    _touch(tmp_path, "a_mask.nii.gz", "mask.nii.gz", "a_seg-spine_msk.nii.gz", "a_seg-spine_prob.nii.gz", "notes.txt")
    _touch(tmp_path, "out/e.nii.gz")
    assert _found(tmp_path, tmp_path / "out") == {"UPPER": "UPPER_ct.NII.GZ", "a": "a.nii", "b": "ct/b.nii.gz"}
    assert set(_found(tmp_path)) == {"UPPER", "a", "b", "e"}


def test_a_folder_with_dicom_files_is_one_scan_with_all_below_it(tmp_path):
    _dicom(tmp_path, "DICOMDIR", "P1/S1/0001", "P1/S1/0002", "P1/S1/more/0003", "P1/S2/0001.dcm")
    _touch(tmp_path, "P1/notes.txt", "P1/S3/picture.png")
    assert _found(tmp_path) == {"S1": "P1/S1", "S2": "P1/S2"}
    assert find_scans(tmp_path / "P1" / "S1") == [Scan("S1", (tmp_path / "P1" / "S1").resolve())]


def test_a_csv_names_files_beside_it_and_elsewhere(tmp_path):
    (tmp_path / "list.csv").write_text(
        f"\ufeffcase,age,path\n7,61,sub/7/ct.nii.gz\n,50,b_ct.nii.gz\n\n9,,{tmp_path / 'ct.nii.gz'}\n"
    )
    assert find_scans(tmp_path / "list.csv") == [
        Scan("7", tmp_path / "sub/7/ct.nii.gz"),
        Scan("b", tmp_path / "b_ct.nii.gz"),
        Scan("9", tmp_path / "ct.nii.gz"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file\na.nii\n", "a column 'path'. Received: columns \\['file'\\]"),
        ("", "a column 'path'. Received: columns \\[\\]"),
        ("path\n", "at least one scan in it"),
        ("path,case\na.nii,x\n,y\n", "path must not be empty. Received: line 3"),
        ("path,case\na.nii,../x\n", "a name that a file can have. Received: '../x'"),
        ("path,case\na.nii,.x\n", "a name that a file can have. Received: '.x'"),
    ],
)
def test_lists_that_cannot_be_meant_are_refused(tmp_path, text, message):
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        find_scans(tmp_path / "list.csv")


def test_sources_that_cannot_be_meant_are_refused(tmp_path):
    _touch(tmp_path, "a.nii", "1/b.nii.gz", "2/b.nii.gz", "empty/notes.txt")
    with pytest.raises(ValueError, match="another folder than the input"):
        find_scans(tmp_path, tmp_path / "1" / "..")
    with pytest.raises(ValueError, match="at least one scan"):
        find_scans(tmp_path / "empty")
    for source in ("a.nii", "none", "none.csv"):
        with pytest.raises(ValueError, match=r"input must be a folder or a .csv file. Received: .*" + source):
            find_scans(tmp_path / source)
