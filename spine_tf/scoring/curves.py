"""Draws precision and recall, and the reliability, of voxel probabilities."""

from pathlib import Path

import numpy as np

from spine_tf.support.plots import new_figure, save_figure

RELIABILITY_BINS = 10
BLUE, ORANGE = "#0072B2", "#D55E00"


def save_curves(
    path: Path, truth: np.ndarray, probability: np.ndarray, max_voxels: int = 2_000_000, seed: int = 0
) -> dict[str, float]:
    """Draw both curves as a PNG and return the numbers written into it.

    Args:
        path: the picture; its folder is made.
        truth: bool, any shape: voxels of one case or of many.
        probability: float in [0, 1], the truth's shape.
        max_voxels: of more voxels a seeded sample of this size is drawn (without replacement).

    Returns:
        "voxels" scored, "spine_share" of them, "average_precision" (NaN where no voxel is spine), "brier" and
        "calibration_error": the mean distance of predicted from observed share over the bins, weighted by their voxels.

    Raises:
        ValueError: no voxels, another dtype or shape, or probabilities outside [0, 1].

    Example:
        >>> facts = save_curves(Path("curves.png"), np.array([True, False]), np.array([0.9, 0.1]))
        >>> facts["voxels"], facts["average_precision"], round(facts["brier"], 2)
        (2, 1.0, 0.01)
    """
    truth, probability = _sampled(truth, probability, max_voxels, seed)
    bins = reliability(truth, probability)
    facts = {
        "voxels": int(truth.size),
        "spine_share": float(truth.mean()),
        "average_precision": float("nan"),
        "brier": float(np.mean((probability - truth) ** 2)),
        "calibration_error": float(np.sum(bins["voxels"] * np.abs(bins["predicted"] - bins["observed"])) / truth.size),
    }
    figure = new_figure((10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    if truth.any():
        facts["average_precision"] = _draw_precision_recall(left, truth, probability, facts["spine_share"])
    else:
        left.text(0.5, 0.5, "no voxel is spine", ha="center", transform=left.transAxes)
    _draw_reliability(right, bins, facts)
    for axes in (left, right):
        axes.set(xlim=(0, 1), ylim=(0, 1.02))
        axes.grid(alpha=0.3)
    save_figure(figure, path)
    return facts


def reliability(truth: np.ndarray, probability: np.ndarray) -> dict[str, np.ndarray]:
    """Count voxels by their predicted probability, in RELIABILITY_BINS bins of equal width.

    Equal to scikit-learn's `calibration_curve`, which does not tell how many voxels a bin has.

    Args:
        truth: (n,) bool.
        probability: (n,) in [0, 1].

    Returns:
        of each bin that is not empty: "voxels", mean "predicted" probability, "observed" share of spine.
    """
    place = np.searchsorted(np.linspace(0, 1, RELIABILITY_BINS + 1)[1:-1], probability)
    voxels, predicted, observed = (
        np.bincount(place, weights, minlength=RELIABILITY_BINS) for weights in (None, probability, truth)
    )
    filled = voxels > 0
    voxels = voxels[filled]
    return {"voxels": voxels, "predicted": predicted[filled] / voxels, "observed": observed[filled] / voxels}


def _sampled(truth, probability, max_voxels, seed):
    truth, probability = np.asarray(truth), np.asarray(probability)
    if truth.dtype != bool or truth.shape != probability.shape or truth.size == 0:
        expected = "truth must be bool and probability of its shape, with at least one voxel"
        raise ValueError(f"{expected}. Received: {truth.dtype} {truth.shape} and shape {probability.shape}")
    truth, probability = truth.reshape(-1), probability.reshape(-1)
    if truth.size > max_voxels:
        drawn = np.random.default_rng(seed).choice(truth.size, max_voxels, replace=False, shuffle=False)
        truth, probability = truth[drawn], probability[drawn]
    probability = probability.astype(np.float64)
    if not (probability.min() >= 0 and probability.max() <= 1):
        raise ValueError(f"probability must lie in [0, 1]. Received: {probability.min():g} to {probability.max():g}")
    return truth, probability


def _draw_precision_recall(axes, truth, probability, share) -> float:
    # Imported here: scikit-learn takes a second to load, and most who score a mask draw no curve.
    from sklearn.metrics import average_precision_score, precision_recall_curve

    precision, recall, thresholds = precision_recall_curve(truth, probability, drop_intermediate=True)
    average = float(average_precision_score(truth, probability))
    axes.plot(recall, precision, color=BLUE, label=f"network, average precision {average:.3f}")
    half = np.searchsorted(thresholds, 0.5)
    axes.plot(recall[half], precision[half], "o", color=BLUE, label="threshold 0.5")
    axes.axhline(share, color="0.5", linestyle="--", label=f"everything foreground ({share:.3f})")
    axes.set(title="precision and recall of voxels", xlabel="recall", ylabel="precision")
    axes.legend(loc="lower left")
    return average


def _draw_reliability(axes, bins, facts) -> None:
    axes.plot([0, 1], [0, 1], color="0.5", linestyle="--", label="perfect")
    name = f"network, mean gap {facts['calibration_error']:.3f}, Brier {facts['brier']:.3f}"
    axes.plot(bins["predicted"], bins["observed"], marker="o", color=ORANGE, label=name)
    axes.set(title="reliability", xlabel="predicted probability (mean of the bin)", ylabel="observed share of spine")
    axes.legend(loc="upper left")
    counts = axes.twinx()
    counts.bar(bins["predicted"], bins["voxels"], width=0.02, color=ORANGE, alpha=0.25)
    counts.set(yscale="log", ylabel="voxels in the bin")
