from itertools import pairwise

import numpy as np
import pytest
from pydicom.sr.codedict import codes

from spine_tf.scans import labels
from spine_tf.scans.labels import ALONG_SPINE, COLOURS, NAMES, NUMBERINGS, SNOMED_CODES, relabelled, spine_mask


def test_the_mask_is_vertebrae_alone():
    ids = np.arange(30)
    assert np.flatnonzero(spine_mask(ids)).tolist() == [*range(1, 26), 28] == list(labels.VERTEBRAE)
    assert spine_mask(ids.reshape(5, 6)).dtype == bool


def test_names():
    assert [NAMES[label] for label in (1, 7, 8, 19, 20, 24, 25, 26, 27, 28)] == [
        "C1", "C7", "T1", "T12", "L1", "L5", "L6", "sacrum", "coccyx", "T13",
    ]  # fmt: skip


def test_t13_stands_between_t12_and_l1():
    order = [NAMES[label] for label in ALONG_SPINE]
    assert order[17:22] == ["T11", "T12", "T13", "L1", "L2"]
    assert (order[0], order[-1], len(set(order))) == ("C1", "coccyx", 28)


@pytest.mark.parametrize("missing", [{28}, {19, 28}, {25, 28}, {24, 25, 28}, set()])
def test_neighbours_have_other_colours_in_every_spine(missing):
    spine = [label for label in ALONG_SPINE if label not in missing]
    assert all(COLOURS[above] != COLOURS[below] for above, below in pairwise(spine))


def test_codes_are_those_of_the_dicom_standard():
    for label, code in SNOMED_CODES.items():
        keyword = NAMES[label].capitalize() if label in (26, 27) else f"{NAMES[label]}Vertebra"
        assert getattr(codes.SCT, keyword).value == code, keyword
    assert {*ALONG_SPINE} - {*SNOMED_CODES} == {25, 28}


@pytest.mark.parametrize(
    ("numbering", "expected"),
    [
        ("totalsegmentator", [[0, 24, 1], [0, 0, 20]]),
        ("totalsegmentator_v1", [[0, 15, 0], [0, 0, 11]]),
        ("vertebrae_pp", [[0, 0, 0], [5, 0, 0]]),
        ("verse", [[0, 27, 0], [5, 0, 0]]),
    ],
)
def test_labels_are_renumbered_and_others_dropped(numbering, expected):
    made = relabelled(np.array([[0, 27, 50], [5, 300, 31]]), NUMBERINGS[numbering])
    np.testing.assert_array_equal(made, expected)
    assert made.dtype == np.uint8


def test_totalsegmentators_sacrum_and_s1_are_one():
    np.testing.assert_array_equal(relabelled(np.array([25, 26]), NUMBERINGS["totalsegmentator"]), [26, 26])


def test_the_numberings_of_totalsegmentator_name_the_vertebrae_it_does():
    ends = {"totalsegmentator": (50, 27), "totalsegmentator_v1": (41, 18), "totalsegmentator_v3": (50, 27)}
    for numbering, (c1, l5) in (ends | {"vertebrae_pp": (1, 24)}).items():
        assert [NAMES[NUMBERINGS[numbering][label]] for label in (c1, l5)] == ["C1", "L5"]
    assert [NAMES[NUMBERINGS[numbering][26]] for numbering in ("totalsegmentator", "totalsegmentator_v3")] == [
        "sacrum",
        "L6",
    ]
