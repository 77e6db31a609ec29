from pathlib import Path

import pytest

from spine_tf.data.verse import find_cases, pair_globs
from spine_tf.data.verse_names import SUBJECT_OF_SERIES


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def subject_form(subset: str, subject: str, entities: str = "", mask: bool = True) -> list[str]:
    """The files of one scan in the subject-based form."""
    stem = f"sub-{subject}{entities}"
    names = [f"{subset}/rawdata/sub-{subject}/{stem}_ct.nii.gz", f"{subset}/rawdata/sub-{subject}/{stem}_ct.json"]
    if mask:
        folder = f"{subset}/derivatives/sub-{subject}/{stem}"
        names += [f"{folder}_seg-vert_msk.nii.gz", f"{folder}_seg-subreg_ctd.json", f"{folder}_seg-vert_snp.png"]
    return names


def miccai_form(folder: str, stem: str) -> list[str]:
    return [f"{folder}/{stem}.nii.gz", f"{folder}/{stem}_seg.nii.gz", f"{folder}/{stem}_ctd.json"]


def ids(cases):
    return [case.case_id for case in cases]


def test_a_release_as_it_is_unzipped(tmp_path):
    touch(tmp_path, *subject_form("dataset-verse19training", "verse004"))
    touch(tmp_path, *subject_form("dataset-verse19test", "verse012"))
    first, second = find_cases(tmp_path)
    training = tmp_path.resolve() / "dataset-verse19training"
    assert first.case_id == "sub-verse004"
    assert first.subject == "verse004"
    assert first.image == training / "rawdata/sub-verse004/sub-verse004_ct.nii.gz"
    assert first.mask == training / "derivatives/sub-verse004/sub-verse004_seg-vert_msk.nii.gz"
    assert first.centroids == training / "derivatives/sub-verse004/sub-verse004_seg-subreg_ctd.json"
    assert (first.source, first.subset) == ("VerSe'19", "training")
    assert (second.case_id, second.subset) == ("sub-verse012", "test")


@pytest.mark.parametrize(
    ("folder", "subset"),
    [
        ("dataset-01training", "training"),
        ("dataset-02validation", "validation"),
        ("dataset-03test", "test"),
        ("01_training", "training"),
        ("Verse20/03_test", "test"),
        ("train", "training"),
        ("somewhere", None),
    ],
)
def test_subsets_are_read_from_folders(tmp_path, folder, subset):
    touch(tmp_path / "data", *subject_form(folder, "verse500", "_dir-ax"))
    assert [case.subset for case in find_cases(tmp_path / "data")] == [subset]


def test_the_root_itself_may_be_the_subset(tmp_path):
    touch(tmp_path, *subject_form("dataset-verse19validation", "verse004"))
    (case,) = find_cases(tmp_path / "dataset-verse19validation")
    assert (case.subset, case.source) == ("validation", "VerSe'19")


def test_twice_nested_empty_and_half_empty_folders(tmp_path):
    twice = "dataset-verse19training/dataset-verse19training"
    touch(tmp_path, *subject_form(twice, "verse004"), *subject_form("dataset-verse19training", "verse004"))
    touch(tmp_path, *subject_form(twice, "verse005", mask=False))
    (tmp_path / twice / "rawdata" / "sub-verse006").mkdir()
    touch(tmp_path, f"{twice}/__MACOSX/rawdata/sub-verse004/._sub-verse004_ct.nii.gz")
    complete, unlabelled = find_cases(tmp_path)
    assert complete.case_id == "sub-verse004"
    # Image and mask of one and the same copy.
    assert complete.image.parents[2] == complete.mask.parents[2]
    assert unlabelled.case_id == "sub-verse005"
    assert unlabelled.mask is None


def test_a_subject_with_several_scans_is_one_subject(tmp_path):
    for entities in ("_split-verse201", "_split-verse253"):
        touch(tmp_path, *subject_form("dataset-verse19training", "verse401", entities))
    for entities in ("_dir-ax", "_dir-sag"):
        touch(tmp_path, *subject_form("dataset-verse19training", "verse500", entities))
    cases = find_cases(tmp_path)
    assert ids(cases) == [
        "sub-verse401_split-verse201",
        "sub-verse401_split-verse253",
        "sub-verse500_dir-ax",
        "sub-verse500_dir-sag",
    ]
    assert [case.subject for case in cases] == ["verse401", "verse401", "verse500", "verse500"]
    assert all(case.mask.name == f"{case.case_id}_seg-vert_msk.nii.gz" for case in cases)


def test_the_miccai_form_has_the_same_subjects(tmp_path):
    # Nothing in these names tells that 201 and 253 are scans of patient 401.
    touch(tmp_path, *miccai_form("train", "verse201"), *miccai_form("train", "verse253"))
    touch(tmp_path, *miccai_form("train", "verse000_CT-orient"), "train/verse004.nii.gz")
    cases = find_cases(tmp_path)
    assert ids(cases) == ["verse000_CT-orient", "verse004", "verse201", "verse253"]
    assert [case.subject for case in cases] == ["verse000", "verse004", "verse401", "verse401"]
    assert [case.mask and case.mask.name for case in cases][:2] == ["verse000_CT-orient_seg.nii.gz", None]
    assert cases[2].centroids.name == "verse201_ctd.json"


def test_a_scan_in_both_releases_is_taken_once(tmp_path):
    touch(tmp_path, *subject_form("verse19/dataset-verse19test", "verse075"))
    touch(tmp_path, *subject_form("verse19/dataset-verse19training", "verse401", "_split-verse201"))
    touch(tmp_path, *miccai_form("verse2020/01_training/verse075", "verse075"))
    touch(tmp_path, *miccai_form("verse2020/01_training/verse401", "verse401_verse201_CT-iso"))
    touch(tmp_path, *miccai_form("verse2020/01_training/verse502", "verse502_CT-iso"))
    cases = find_cases(tmp_path)
    assert ids(cases) == ["sub-verse075", "sub-verse401_split-verse201", "verse502_CT-iso"]
    # VerSe'19 tests on 075: what VerSe'20 says cannot make it a training scan.
    assert [case.subset for case in cases] == ["test", "training", "training"]
    assert [case.source for case in cases] == ["VerSe'19", "VerSe'19", "VerSe'20"]


def test_the_later_release_is_taken_where_both_have_one_form(tmp_path):
    touch(tmp_path, *subject_form("verse19/training", "verse005"), *subject_form("verse20/training", "verse005"))
    (case,) = find_cases(tmp_path)
    assert case.source == "VerSe'20"
    assert "verse20" in case.mask.parts


def test_the_copy_with_a_mask_is_taken_where_one_has_none(tmp_path):
    touch(tmp_path, *subject_form("verse19/training", "verse005"))
    touch(tmp_path, *subject_form("verse20/training", "verse005", mask=False))
    (case,) = find_cases(tmp_path)
    # And no mask of one release is put to the image of the other.
    assert "verse19" in case.image.parts
    assert "verse19" in case.mask.parts


def test_a_split_scan_under_its_own_number_in_the_other_release_is_the_same_patient(tmp_path):
    # Not a pair the table knows: only the name in the first release tells.
    touch(tmp_path, *subject_form("verse19/training", "verse440", "_split-verse301"))
    touch(tmp_path, *subject_form("verse19/training", "verse440", "_split-verse302"))
    touch(tmp_path, *subject_form("verse20/test", "verse301"))
    cases = find_cases(tmp_path)
    assert {case.subject for case in cases} == {"verse440"}
    assert len(cases) == 2


def test_both_releases_together_are_374_scans_of_355_patients(tmp_path):
    """2019: 160 scans of 141 patients. 2020: 319 of 300, of which 105 scans of 86 patients are those of 2019."""
    numbers = (f"verse{n:03d}" for n in range(4, 400))
    singles = [number for number in numbers if number not in SUBJECT_OF_SERIES][:123]
    in_2019 = [f for s in singles for f in subject_form("verse19/dataset-verse19training", s)]
    for number, subject in SUBJECT_OF_SERIES.items():
        in_2019 += subject_form("verse19/dataset-verse19test", subject, f"_split-{number}")
    again = [f for s in singles[:68] for f in miccai_form(f"verse20/02_validation/{s}", s)]
    for number, subject in SUBJECT_OF_SERIES.items():
        again += miccai_form(f"verse20/01_training/{subject}", f"{subject}_{number}_CT-iso")
    new = [f for n in range(500, 714) for f in miccai_form(f"verse20/03_test/verse{n}", f"verse{n}_CT-ax")]
    touch(tmp_path, *in_2019)
    alone = find_cases(tmp_path)
    assert (len(alone), len({case.subject for case in alone})) == (160, 141)
    touch(tmp_path, *again, *new)
    of_2020 = find_cases(tmp_path / "verse20")
    assert (len(of_2020), len({case.subject for case in of_2020})) == (319, 300)
    union = find_cases(tmp_path)
    assert (len(union), len({case.subject for case in union})) == (374, 355)


def test_a_folder_without_scans_is_refused(tmp_path):
    with pytest.raises(ValueError, match="none below"):
        find_cases(tmp_path)
    with pytest.raises(ValueError, match="no such folder"):
        find_cases(tmp_path / "absent")


def test_one_name_for_two_scans_of_unknown_origin_is_refused(tmp_path):
    touch(tmp_path, "a/scan_ct.nii.gz", "b/scan_ct.nii.gz")
    with pytest.raises(ValueError, match="name of its own"):
        find_cases(tmp_path)


def test_the_folder_of_real_files(shared_data):
    (case,) = find_cases(shared_data / "verse014")
    assert (case.case_id, case.subject) == ("sub-verse014", "verse014")
    assert case.mask.name == "sub-verse014_seg-vert_msk.nii.gz"
    assert case.centroids.name == "sub-verse014_seg-vb_ctd.json"


def test_globs_pair_by_the_value_of_numbers(tmp_path):
    numbers = (1, 2, 10, 11)
    touch(tmp_path, *(f"images/scan{n}.nii.gz" for n in numbers), *(f"masks/scan{n:03d}_seg.nii.gz" for n in numbers))
    cases = pair_globs(str(tmp_path / "images/*.nii.gz"), str(tmp_path / "masks/*.nii.gz"))
    assert {case.case_id: case.mask.name for case in cases} == {f"scan{n}": f"scan{n:03d}_seg.nii.gz" for n in numbers}
    assert {case.subject for case in cases} == {f"scan{n}" for n in numbers}


def test_globs_know_subjects_of_verse_and_of_bids(tmp_path):
    for number in ("201", "253"):
        touch(tmp_path, *subject_form("a", "verse401", f"_split-verse{number}"))
    touch(tmp_path, *subject_form("a", "01", "_ses-1"), *subject_form("a", "01", "_ses-2"))
    cases = pair_globs(str(tmp_path / "**/*_ct.nii.gz"), str(tmp_path / "**/*_msk.nii.gz"))
    assert [case.subject for case in cases] == ["01", "01", "verse401", "verse401"]


def test_globs_name_scans_by_their_folder_where_all_files_are_called_alike(tmp_path):
    touch(tmp_path, *(f"{n}/{kind}.nii.gz" for n in (7, 8) for kind in ("ct", "truth")))
    cases = pair_globs(str(tmp_path / "*/ct.nii.gz"), str(tmp_path / "*/truth.nii.gz"))
    assert [(case.case_id, case.subject, case.mask.parent.name) for case in cases] == [
        ("7_ct", "7_ct", "7"),
        ("8_ct", "8_ct", "8"),
    ]


def test_globs_take_dicom_folders_for_images(tmp_path):
    touch(tmp_path, "series/a/1.dcm", "series/b/1.dcm", "masks/a.nii.gz", "masks/b.nii.gz")
    cases = pair_globs(str(tmp_path / "series/*"), str(tmp_path / "masks/*"))
    assert [(case.case_id, case.image.is_dir()) for case in cases] == [("a", True), ("b", True)]


def test_globs_that_do_not_pair_are_refused(tmp_path):
    touch(tmp_path, "images/a.nii.gz", "images/b.nii.gz", "masks/a.nii.gz")
    images, masks = str(tmp_path / "images/*"), str(tmp_path / "masks/*")
    with pytest.raises(ValueError, match=r"Received: 2 of .* 1 of"):
        pair_globs(images, masks)
    with pytest.raises(ValueError, match="Received: 0 of"):
        pair_globs(str(tmp_path / "nowhere/*"), masks)
    touch(tmp_path, "masks/c.nii.gz", "images/c.nii.gz")
    # a, b, c against a, c, and one more: the second pair would be b with c.
    touch(tmp_path, "masks/d.nii.gz")
    with pytest.raises(ValueError, match="looks like"):
        pair_globs(images, masks)
