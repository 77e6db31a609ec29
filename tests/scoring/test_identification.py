import numpy as np

from spine_tf.scoring.identification import identify


def column(*heights, first=20):
    """Centroids one above the other, at these heights in mm, labelled from `first` on."""
    return {first + i: np.array([0.0, 0.0, z]) for i, z in enumerate(heights)}


def hits(truth, prediction):
    return {label: found["hit"] for label, found in identify(truth, prediction).items()}


def test_perfect():
    found = identify(column(0, 30, 60), column(0, 30, 60))
    assert found == {label: {"hit": 1, "distance_mm": 0.0} for label in (20, 21, 22)}


def test_twenty_millimetres_are_a_hit_and_half_a_millimetre_more_is_not():
    truth = column(0, 100)
    assert hits(truth, column(20, 80)) == {20: 1, 21: 1}
    assert hits(truth, column(20.5, 79.5)) == {20: 0, 21: 0}
    # Of three axes: 12, 16 and 0 mm are 20 mm.
    assert hits(truth, {20: np.array([12.0, 16.0, 0.0])})[20] == 1
    # What float32 adds to it is no miss.
    assert hits(truth, {20: np.array([0, 0, float(np.float32(0.1)) * 200])})[20] == 1


def test_nearer_to_another_vertebra_is_a_miss_within_twenty_millimetres_too():
    found = identify(column(0, 24), column(13, 24))
    assert found == {20: {"hit": 0, "distance_mm": 13.0}, 21: {"hit": 1, "distance_mm": 0.0}}


def test_half_way_between_two_the_lower_label_is_the_nearest():
    assert hits(column(0, 24), column(12, 12)) == {20: 1, 21: 0}


def test_a_missing_prediction_is_a_miss_and_has_no_distance():
    found = identify(column(0, 30), column(0))
    assert found[20] == {"hit": 1, "distance_mm": 0.0}
    assert found[21]["hit"] == 0
    assert np.isnan(found[21]["distance_mm"])
    assert hits(column(0, 30), {}) == {20: 0, 21: 0}


def test_an_extra_prediction_costs_nothing():
    assert hits(column(0, 30), column(0, 30, 31, 60)) == {20: 1, 21: 1}
    assert identify({}, column(0, 30)) == {}


def test_names_all_one_too_low():
    # 30 mm apart, each name is at its neighbour's place: 20 was not predicted, the others are 30 mm away.
    assert hits(column(0, 30, 60), column(0, 30, 60, first=21)) == {20: 0, 21: 0, 22: 0}
    # 15 mm apart, 21 and 22 are in both: 21 lies at 20's place, but 20 is not in both, so its own is the nearest.
    assert hits(column(0, 15, 30), column(0, 15, 30, first=21)) == {20: 0, 21: 1, 22: 0}
