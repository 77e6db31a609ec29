import numpy as np
import pytest
from PIL import Image
from sklearn.calibration import calibration_curve

from spine_tf.scoring.curves import reliability, save_curves


def calibrated(n=20_000, seed=0):
    """Probabilities that are right: a voxel with probability p is spine in p of the cases."""
    rng = np.random.default_rng(seed)
    probability = rng.beta(0.3, 2, n)
    return rng.random(n) < probability, probability


def test_a_picture_and_its_numbers(tmp_path):
    truth, probability = calibrated()
    facts = save_curves(tmp_path / "new" / "curves.png", truth.reshape(100, 200), probability.reshape(100, 200))
    with Image.open(tmp_path / "new" / "curves.png") as picture:
        assert picture.width > 600
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["curves.png"]
    assert facts["voxels"] == 20_000
    assert facts["spine_share"] == pytest.approx(0.13, abs=0.01)
    assert facts["calibration_error"] < 0.01


def test_perfect_probabilities(tmp_path):
    truth = np.arange(100) < 30
    facts = save_curves(tmp_path / "curves.png", truth, truth.astype(np.float32))
    assert facts["average_precision"] == 1.0
    assert facts["brier"] == facts["calibration_error"] == 0.0


def test_probabilities_that_tell_nothing(tmp_path):
    truth = np.arange(100) < 30
    facts = save_curves(tmp_path / "curves.png", truth, np.full(100, 0.5))
    assert facts["average_precision"] == pytest.approx(0.3)
    assert facts["brier"] == pytest.approx(0.25)
    assert facts["calibration_error"] == pytest.approx(0.2)


def test_reliability_bins_by_hand():
    bins = reliability(np.array([False, False, True, True]), np.array([0.02, 0.06, 0.06, 1.0]))
    assert bins["voxels"].tolist() == [3, 1]
    assert bins["predicted"] == pytest.approx([0.14 / 3, 1.0])
    assert bins["observed"] == pytest.approx([1 / 3, 1.0])


def test_scikit_learn_agrees_about_reliability():
    truth, probability = calibrated(5000, seed=1)
    bins = reliability(truth, probability)
    observed, predicted = calibration_curve(truth, probability, n_bins=10)
    np.testing.assert_allclose(bins["observed"], observed)
    np.testing.assert_allclose(bins["predicted"], predicted)
    assert bins["voxels"].sum() == 5000


def test_many_voxels_are_sampled_with_a_seed(tmp_path):
    truth, probability = calibrated()
    facts = [save_curves(tmp_path / "c.png", truth, probability, max_voxels=3000, seed=s) for s in (0, 0, 1)]
    assert facts[0]["voxels"] == 3000
    assert facts[0] == facts[1] != facts[2]


def test_a_scan_without_spine_has_no_precision(tmp_path):
    facts = save_curves(tmp_path / "c.png", np.zeros(50, bool), np.full(50, 0.1))
    assert np.isnan(facts["average_precision"])
    assert (tmp_path / "c.png").exists()


def test_what_is_no_probability_is_refused(tmp_path):
    truth = np.zeros(4, bool)
    for probability in (np.full(4, 1.5), np.full(4, np.nan), np.full(4, -0.1)):
        with pytest.raises(ValueError, match=r"in \[0, 1\]"):
            save_curves(tmp_path / "c.png", truth, probability)
    with pytest.raises(ValueError, match="its shape"):
        save_curves(tmp_path / "c.png", truth, np.zeros(5))
    with pytest.raises(ValueError, match="Received: uint8"):
        save_curves(tmp_path / "c.png", truth.astype(np.uint8), np.zeros(4))
    with pytest.raises(ValueError, match="at least one voxel"):
        save_curves(tmp_path / "c.png", truth[:0], np.zeros(0))
    assert not (tmp_path / "c.png").exists()
