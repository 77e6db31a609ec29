import pytest

from spine_tf.experiments import published


def test_the_jaccard_index_of_a_dice_coefficient():
    # Two masks of 3 voxels that share 2: Dice 4 / 6, Jaccard 2 / 4.
    assert published.jaccard_of(100 * 4 / 6) == pytest.approx(50)
    assert published.jaccard_of(100) == 100
    assert round(published.jaccard_of(96.85), 1) == 93.9


def test_the_papers_contradictions_are_said_beside_its_tables():
    (sentence,) = published.overlap_note("7")
    assert "Dice 96.85 is Jaccard 93.9, reported 95.37" in sentence
    (sentence,) = published.overlap_note("5")
    assert "rmsprop: Dice 92 is Jaccard 85.2, reported 89" in sentence
    assert published.overlap_note("6") == []
    assert any("picks Adamax" in note for note in published.notes("5"))


def test_adamax_is_ahead_in_neither_score_of_table_5():
    best = {
        score: max(published.TABLE_5, key=lambda name: published.TABLE_5[name][score]) for score in ("dice", "jaccard")
    }
    assert best == {"dice": "rmsprop", "jaccard": "adam"}


def test_overlaps_are_percentages_and_losses_are_not():
    for rows in published.TABLES.values():
        for row in rows.values():
            assert set(row) <= {"loss", "val_loss", "jaccard", "dice", "plateau"}
            assert all(row[name] > 80 for name in ("jaccard", "dice") if name in row)
            assert all(row[name] < 0.01 for name in ("loss", "val_loss") if name in row)
