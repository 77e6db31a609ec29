import numpy as np
import pytest
import surface_distance

from spine_tf.scoring.per_vertebra import MASK_SCORES, label_rows, region_rows, summary, vertebra_scores

MM = (1.0, 1.0, 1.0)


def labels(boxes: dict[int, slice], shape=(12, 12, 40)) -> np.ndarray:
    """Slabs of 8 x 8 voxels, each over its range along z."""
    made = np.zeros(shape, np.int16)
    for label, along_z in boxes.items():
        made[2:10, 2:10, along_z] = label
    return made


TRUTH = labels({20: np.s_[2:10], 21: np.s_[14:22], 28: np.s_[26:34]})


def test_perfect():
    scores, extra = vertebra_scores(TRUTH, TRUTH, MM)
    perfect = {"missed": 0, "vertebra_dice": 1.0, "hd_mm": 0.0, "hd95_mm": 0.0}
    assert scores == dict.fromkeys((20, 21, 28), perfect | {"surface_dice_1mm": 1.0, "surface_dice_2mm": 1.0})
    assert extra == []


def test_shifted_by_two_slices_of_one_and_a_half_millimetres():
    scores, _ = vertebra_scores(TRUTH, np.roll(TRUTH, 2, axis=2), (1.0, 1.0, 1.5))
    for label in (20, 21, 28):
        # 6 of 8 slices are in both. The faces at both ends are 3 mm apart.
        assert scores[label]["vertebra_dice"] == 0.75
        assert scores[label]["hd_mm"] == scores[label]["hd95_mm"] == 3.0
        assert scores[label]["surface_dice_2mm"] < 1
    # 1 mm slices: 2 mm apart, within the tolerance of 2 mm.
    scores, _ = vertebra_scores(TRUTH, np.roll(TRUTH, 2, axis=2), MM)
    assert (scores[20]["hd_mm"], scores[20]["surface_dice_2mm"]) == (2.0, 1.0)


def test_one_stray_voxel_makes_the_hausdorff_distance_and_not_its_percentile():
    stray = TRUTH.copy()
    stray[5, 5, 39] = 20
    scores, _ = vertebra_scores(TRUTH, stray, MM)
    # L1's slab ends with the corner plane 10; the stray voxel's farthest corners are in plane 40.
    assert scores[20]["hd_mm"] == 30.0
    assert scores[20]["hd95_mm"] == 0.0
    assert scores[20]["vertebra_dice"] == pytest.approx(2 * 512 / (512 + 513))


def test_a_hole_is_as_far_from_the_surface_as_it_is_deep():
    hollow = TRUTH.copy()
    hollow[5, 5, 5] = 0
    scores, _ = vertebra_scores(TRUTH, hollow, MM)
    # L1's faces are the corner planes 2 and 10, the hole's 5 and 6; it is one percent of the surface.
    assert (scores[20]["hd_mm"], scores[20]["hd95_mm"]) == (4.0, 0.0)


def test_labels_off_by_one():
    scores, extra = vertebra_scores(TRUTH, np.where(TRUTH > 0, TRUTH - 1, 0), MM)
    # T13 became 27, which is no vertebra; 20 lies where 21 was, 21 is not there.
    assert [scores[label]["vertebra_dice"] for label in (20, 21, 28)] == [0.0, 0.0, 0.0]
    assert [scores[label]["missed"] for label in (20, 21, 28)] == [0, 1, 1]
    assert (scores[20]["hd_mm"], np.isnan(scores[21]["hd_mm"])) == (12.0, True)
    assert extra == [19]


def test_an_empty_prediction_misses_all():
    scores, extra = vertebra_scores(TRUTH, np.zeros_like(TRUTH), MM)
    for found in scores.values():
        assert (found["missed"], found["vertebra_dice"], found["surface_dice_1mm"]) == (1, 0.0, 0.0)
        assert np.isnan([found["hd_mm"], found["hd95_mm"]]).all()
    assert (sorted(scores), extra) == ([20, 21, 28], [])


def test_what_is_no_vertebra_is_background_on_both_sides():
    truth, prediction = TRUTH.copy(), TRUTH.copy()
    truth[0, 0, :5], prediction[0, 0, :9], prediction[11, 11, 0] = 26, 27, 50
    assert vertebra_scores(truth, prediction, MM) == vertebra_scores(TRUTH, TRUTH, MM)


@pytest.mark.parametrize("seed", range(4))
def test_the_package_has_the_same_hausdorff_distance(seed):
    rng = np.random.default_rng(seed)
    truth, prediction = (rng.random((9, 10, 11)) < share for share in (0.05, 0.02))
    spacing_mm = tuple(rng.uniform(0.3, 3, 3))
    scores, _ = vertebra_scores(truth * np.int16(5), prediction * np.int16(5), spacing_mm)
    theirs = surface_distance.compute_surface_distances(truth, prediction, spacing_mm)
    farthest = max(theirs["distances_gt_to_pred"].max(), theirs["distances_pred_to_gt"].max())
    assert scores[5]["hd_mm"] == pytest.approx(farthest, abs=1e-3)
    assert scores[5]["hd_mm"] >= scores[5]["hd95_mm"]


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"shape \(12, 12, 40\). Received: shape \(12, 12, 39\)"):
        vertebra_scores(TRUTH, TRUTH[:, :, :39], MM)


def row(case, label, dice, hd_mm=1.0, missed=0, hit=1, distance_mm=2.0):
    scores = dict.fromkeys(MASK_SCORES, dice) | {"hd_mm": hd_mm, "hd95_mm": hd_mm}
    return {"case": case, "label": label, "missed": missed, "hit": hit, "distance_mm": distance_mm} | scores


ROWS = [
    row("a", 20, 0.8, distance_mm=4.0),
    row("b", 20, 0.0, np.nan, missed=1, hit=0, distance_mm=np.nan),
    row("c", 20, 0.7, hd_mm=3.0),
    row("a", 24, 0.9),
    row("a", 25, 0.4),
    row("a", 28, 0.2, hit=0, distance_mm=22.0),
]


def test_means_of_a_label_over_its_cases():
    first = label_rows(ROWS)[0]
    assert (first["name"], first["vertebrae"], first["missed"], first["hits"], first["located"]) == ("L1", 3, 1, 2, 3)
    assert first["vertebra_dice"] == pytest.approx((0.8 + 0.0 + 0.7) / 3)
    # The missed one has no distances; the means are those of the two that were found.
    assert (first["hd_mm"], first["d_mean_mm"]) == (2.0, 3.0)
    assert first["id_rate"] == pytest.approx(2 / 3)
    assert [r["name"] for r in label_rows(ROWS)] == ["L1", "L5", "L6", "T13"]


def test_regions_are_means_over_labels_with_l6_and_t13_apart():
    rows = {r["name"]: r for r in region_rows(ROWS)}
    assert list(rows) == ["lumbar", "T13", "L6", "all labels"]
    # L1 0.5 and L5 0.9: their mean, not that of the four vertebrae (0.6).
    assert rows["lumbar"]["vertebra_dice"] == pytest.approx(0.7)
    assert rows["all labels"]["vertebra_dice"] == pytest.approx((0.5 + 0.9 + 0.4 + 0.2) / 4)
    assert (rows["L6"]["vertebra_dice"], rows["T13"]["vertebra_dice"]) == (0.4, 0.2)
    # Hits are counted over vertebrae: 3 of 4 lumbar ones, 4 of all 6.
    assert (rows["lumbar"]["hits"], rows["lumbar"]["located"], rows["lumbar"]["id_rate"]) == (3, 4, 0.75)
    assert rows["all labels"]["id_rate"] == pytest.approx(4 / 6)
    assert rows["lumbar"]["d_mean_mm"] == pytest.approx((4 + 2 + 2) / 3)


def test_means_of_nothing_are_nan():
    nothing = summary([])
    assert (nothing["vertebrae"], nothing["hits"]) == (0, 0)
    assert np.isnan([nothing["vertebra_dice"], nothing["id_rate"], nothing["d_mean_mm"]]).all()
    assert region_rows([]) == []
