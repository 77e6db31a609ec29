import pytest

from spine_tf.data.verse_names import SPLIT_SUBJECTS, SUBJECT_OF_SERIES, parse_name


@pytest.mark.parametrize(
    ("name", "kind", "case_id", "subject", "series", "miccai"),
    [
        ("sub-verse004_ct.nii.gz", "ct", "sub-verse004", "verse004", "verse004", False),
        ("sub-verse004_ct.nii", "ct", "sub-verse004", "verse004", "verse004", False),
        ("sub-verse004_seg-vert_msk.nii.gz", "mask", "sub-verse004", "verse004", "verse004", False),
        ("sub-verse004_seg-subreg_ctd.json", "centroids", "sub-verse004", "verse004", "verse004", False),
        ("sub-verse004_seg-vb_ctd.json", "centroids", "sub-verse004", "verse004", "verse004", False),
        ("sub-verse401_split-verse201_ct.nii.gz", "ct", "sub-verse401_split-verse201", "verse401", "verse201", False),
        ("sub-verse500_dir-ax_ct.nii.gz", "ct", "sub-verse500_dir-ax", "verse500", "verse500", False),
        ("sub-gl003_dir-sag_seg-vert_msk.nii.gz", "mask", "sub-gl003_dir-sag", "gl003", "gl003", False),
        ("sub-ct_seg-vert_label-22_msk.nii.gz", "mask", "sub-ct_label-22", "ct", "ct", False),
        ("tptbox-l3_ct.nii.gz", "ct", "tptbox-l3", "tptbox-l3", "tptbox-l3", False),
        ("verse004.nii.gz", "ct", "verse004", "verse004", "verse004", True),
        ("verse004_seg.nii.gz", "mask", "verse004", "verse004", "verse004", True),
        ("verse004_ctd.json", "centroids", "verse004", "verse004", "verse004", True),
        ("verse500_CT-ax.nii.gz", "ct", "verse500_CT-ax", "verse500", "verse500", True),
        ("verse500_CT-ax_seg.nii.gz", "mask", "verse500_CT-ax", "verse500", "verse500", True),
        ("verse500_CT-ax_iso-ctd.json", "centroids", "verse500_CT-ax", "verse500", "verse500", True),
        ("verse401_verse201_CT-iso_seg.nii.gz", "mask", "verse401_verse201_CT-iso", "verse401", "verse201", True),
        ("GL003_CT_ax.nii.gz", "ct", "GL003_CT_ax", "gl003", "gl003", True),
    ],
)
def test_what_a_name_says(name, kind, case_id, subject, series, miccai):
    found = parse_name(name)
    assert (found.kind, found.case_id, found.subject, found.series) == (kind, case_id, subject, series)
    assert found.miccai == miccai


@pytest.mark.parametrize(
    "name",
    [
        "sub-verse004_ct.json",
        "sub-verse004_seg-vert_snp.png",
        "sub-verse004_seg-spine_msk.nii.gz",
        "sub-verse004_seg-subreg_msk.nii.gz",
        "._sub-verse004_ct.nii.gz",
        ".sub-verse004_ct.nii.gz",
        "_ct.nii.gz",
        "ct.nii.gz",
        "verse004_prob.nii.gz",
        "brain.nii.gz",
        "README",
        "",
    ],
)
def test_other_files_are_nothing(name):
    assert parse_name(name) is None


def test_a_verse_number_is_told_from_another_name():
    assert parse_name("sub-verse401_split-verse201_ct.nii.gz").is_verse
    assert parse_name("GL003_CT_ax.nii.gz").is_verse
    assert not parse_name("tptbox-l3_ct.nii.gz").is_verse


def test_split_subjects_add_up_to_the_published_numbers():
    # 160 series of 141 patients: 123 with one series, 18 with these 37.
    assert len(SPLIT_SUBJECTS) == 18
    assert len(SUBJECT_OF_SERIES) == 37
    assert 123 + len(SUBJECT_OF_SERIES) == 160
    assert 123 + len(SPLIT_SUBJECTS) == 141
