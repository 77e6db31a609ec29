"""Compares products with Keras on the same triplets and the same scan, and sets limits to what is given away."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from spine_tf.config import PreprocessSpec
from spine_tf.inference.engines import Engine, load_engine
from spine_tf.inference.footprint import latencies, peak_memory_mib, speed_ratio
from spine_tf.inference.volume import prediction_triplets, segment_volume
from spine_tf.scans import Volume
from spine_tf.scoring import dice
from spine_tf.support.progress import progress_bar
from spine_tf.support.tables import Table, markdown_table

LIMITS = {
    "saved_model": {"max_difference": 1e-4, "least_dice_keras": 0.9999, "grey_levels": 1},
    "float32": {"max_difference": 1e-4, "least_dice_keras": 0.9999},
    "float16": {"dice_drop": 0.001},
    "dynamic_int8": {"dice_drop": 0.005},
    "static_int8": {"dice_drop": 0.005},
}
"""What each product may differ by: the largest difference of a probability on real triplets, the Dice of its mask with
Keras' on a real scan, the grey levels (of 255) of a whole scan segmented in the graph, and the Dice with the truth that
it may lose to Keras."""

FIGURES = {
    "size_mb": ("MB", "{:.1f}"),
    "peak_memory_mib": ("peak memory, MiB", "{:.0f}"),
    "time_of_keras": ("time, of Keras'", "{:.2f}"),
    "max_difference": ("largest difference", "{:.1e}"),
    "dice_keras": ("Dice, Keras", "{:.4f}"),
    "dice_truth": ("Dice, truth", "{:.4f}"),
}
"""Figures of a product that its table shows: heading and form."""

TRIPLETS = 32
"""Cut from the scan as prediction cuts it."""

ROUNDS = 10
"""Predictions that the time of a product is the median of."""


def compare(products: dict[str, Path], keras_model: Path, volume: Volume, truth: np.ndarray) -> list[dict]:
    """Measure every product beside Keras on one real scan.

    Args:
        products: name (a key of LIMITS) -> as `load_engine` takes it.
        keras_model: the `.keras` file they were made of.
        volume: a real scan.
        truth: its mask, (x, y, z) bool, canonical.

    Returns:
        one row for Keras and for each product: size_mb, peak_memory_mib, time_of_keras (ratio, 8 triplets),
        max_difference, grey_levels (None without a whole-scan signature), dice_keras, dice_truth, dice_drop, and
        "refused": what is past its limit, empty for a product that passes.
    """
    reference = load_engine(keras_model)
    triplets = prediction_triplets(volume, reference.spec, TRIPLETS)
    expected = _predict(reference, triplets)
    whole = segment_volume(volume, reference, clean_up=False)
    paths = {"keras": Path(keras_model), **products}
    seconds = latencies(paths, (8,), ROUNDS)[8]
    rows = []
    for name, path in progress_bar(paths.items(), desc="comparing", unit="product", leave=False):
        engine = load_engine(path)
        mask = segment_volume(volume, engine, clean_up=False).mask
        row = {
            "product": name,
            "size_mb": size_mb(path),
            "peak_memory_mib": peak_memory_mib(path)["peak"],
            "time_of_keras": speed_ratio(seconds[name], seconds["keras"]),
            "max_difference": float(np.abs(_predict(engine, triplets) - expected).max()),
            "grey_levels": _grey_levels(path, engine.spec, volume, whole.probability),
            "dice_keras": dice(whole.mask, mask),
            "dice_truth": dice(truth, mask),
            "dice_drop": dice(truth, whole.mask) - dice(truth, mask),
        }
        rows.append(row | {"refused": past_limits(row)})
    return rows


def past_limits(row: dict) -> list[str]:
    """Say what of a product's figures is past its limit, one sentence each."""
    limits, found = LIMITS.get(row["product"], {}), []
    for figure in ("max_difference", "grey_levels", "dice_drop"):
        if figure in limits and row[figure] is not None and not row[figure] <= limits[figure]:
            found.append(f"{figure} {row[figure]:.3g} is more than {limits[figure]:g}")
    if "least_dice_keras" in limits and not row["dice_keras"] >= limits["least_dice_keras"]:
        found.append(f"dice_keras {row['dice_keras']:.5f} is less than {limits['least_dice_keras']:g}")
    return found


def parity_table(rows: list[dict]) -> str:
    """Format the rows of `compare` as a Markdown table."""
    cells = []
    for row in rows:
        verdict = "; ".join(row["refused"]) or ("" if row["product"] == "keras" else "passed")
        cells.append([row["product"], *(form.format(row[figure]) for figure, (_, form) in FIGURES.items())])
        cells[-1].append(f"refused: {verdict}" if row["refused"] else verdict)
    headings = ["product", *(heading for heading, _ in FIGURES.values()), ""]
    return markdown_table(Table(headings, cells, f"l{'r' * len(FIGURES)}l"))


def size_mb(path: Path) -> float:
    """Measure a file, or a SavedModel: its graph, weights and assets, not what else lies in its folder."""
    if path.is_file():
        return path.stat().st_size / 1e6
    parts = [path / "saved_model.pb", *(path / "variables").rglob("*"), *(path / "assets").rglob("*")]
    return sum(part.stat().st_size for part in parts if part.is_file()) / 1e6


def _predict(engine: Engine, triplets) -> np.ndarray:
    starts = range(0, len(triplets[0]), 8)
    return np.concatenate([engine.predict(*(view[start : start + 8] for view in triplets)) for start in starts])


def _grey_levels(path: Path, spec: PreprocessSpec, volume: Volume, probability: np.ndarray) -> int | None:
    """Measure how far the whole scan, segmented inside a SavedModel's graph, is from the probability given."""
    if not (path / "saved_model.pb").is_file() or not spec.canonical:
        return None
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    inputs = {"hu": tf.constant(np.rint(volume.array), tf.int16)}
    name = "segment_volume"
    if "segment_volume_mm" in loaded.signatures:
        name, inputs["spacing_mm"] = "segment_volume_mm", tf.constant(volume.spacing_mm, tf.float32)
    found = loaded.signatures[name](**inputs)["probability"].numpy().astype(int)
    return int(np.abs(found - np.rint(255 * probability).astype(int)).max())


def calibration_batches(volume: Volume, engine: Engine, batches: int = 8) -> list[tuple[np.ndarray, ...]]:
    """Keep some `batches` batches of real triplets, spread over a scan, as the network gets them."""
    kept, seen, every = [], 0, 1

    def predict(*views: np.ndarray) -> np.ndarray:
        nonlocal seen, every
        if seen % every == 0:
            kept.append(tuple(np.array(view, np.float32) for view in views))
        if len(kept) == 2 * batches:
            kept[:], every = kept[::2], 2 * every
        seen += 1
        return engine.predict(*views)

    # One after the other: what is kept goes by their order.
    segment_volume(volume, replace(engine, predict=predict, at_once=1), clean_up=False)
    return kept


def fast_cost(volume: Volume, truth: np.ndarray, engine: Engine) -> dict[str, float]:
    """Measure what `predict.py --fast` costs and gains: dice_drop, and time as a share of the whole prediction's."""
    # One batch after the other in both: the trace of a second function would fall into one of them.
    engine = replace(engine, at_once=1)
    every, half = (segment_volume(volume, engine, clean_up=False, fast=fast) for fast in (False, True))
    return {
        "dice_drop": dice(truth, every.mask) - dice(truth, half.mask),
        "time": sum(half.seconds.values()) / sum(every.seconds.values()),
    }
