import numpy as np

from spine_tf.data.synthesis.phantom.tissue import Tissue
from spine_tf.data.synthesis.structures import LUNGS, OTHER_BONES, Filled, bone_owner, tissue_table
from spine_tf.scans.labels import TOTALSEGMENTATOR


def test_vertebrae_have_verse_ids_and_other_bones_none():
    assert [bone_owner(label) for label in (27, 31, 32, 43, 44, 50)] == [24, 20, 19, 8, 7, 1]
    assert bone_owner(25) == bone_owner(26) == 26
    assert min(bone_owner(label) for label in OTHER_BONES) > 100
    bones = (*TOTALSEGMENTATOR, *OTHER_BONES)
    assert len({bone_owner(label) for label in bones}) == len(bones)


def test_the_plain_table_names_each_structure():
    table = tissue_table()
    expected = {
        1: Tissue.SPLEEN,
        5: Tissue.LIVER,
        10: Tissue.LUNG,
        52: Tissue.ARTERY,
        63: Tissue.VEIN,
        86: Tissue.MUSCLE,
    }
    assert {code: table[code] for code in expected} == expected
    assert table[Filled.AIR] == Tissue.AIR
    assert table[Filled.FAT] == Tissue.FAT


def test_drawn_tables_differ_where_people_do():
    tables = np.array([tissue_table(np.random.default_rng(seed)) for seed in range(80)])
    assert len(set(tables[:, 6])) == 4  # the stomach is empty, or full of fluid, food or contrast
    assert set(tables[:, 7]) == {Tissue.SOFT, Tissue.SPLEEN}
    assert (tables[:, list(LUNGS)] == Tissue.LUNG).mean() > 0.85
    assert (tables[:, Filled.FAT] == Tissue.FAT).all()
    assert (tables[:, 5] == Tissue.LIVER).all()
