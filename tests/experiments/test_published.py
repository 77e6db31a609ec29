import pytest

from spine_tf.experiments import published


def test_the_jaccard_index_of_a_dice_coefficient():
    # Two masks of 3 voxels that share 2: Dice 4 / 6, Jaccard 2 / 4.
    assert published.jaccard_of(100 * 4 / 6) == pytest.approx(50)
    assert published.jaccard_of(100) == 100


def test_rows_whose_dice_and_jaccard_contradict_each_other_are_named(monkeypatch):
    # Dice 80 is Jaccard 66.7.
    rows = {"right": {"dice": 80.0, "jaccard": 66.7}, "wrong": {"dice": 80.0, "jaccard": 75.0}, "alone": {"dice": 80.0}}
    monkeypatch.setitem(published.TABLES, "made", rows)
    (sentence,) = published.overlap_note("made", {"wrong": "another name"})
    assert "another name: Dice 80 is Jaccard 66.7, reported 75" in sentence
    assert not {"right", "alone"} & set(sentence.replace(":", "").split())
    assert published.overlap_note("absent") == []
