"""Scores a trained run on whole scans: predicts, compares with the baselines, draws."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from spine_tf.data.cases import Case
from spine_tf.data.loading import load_case
from spine_tf.data.splits import read_split
from spine_tf.inference.engines import load_engine
from spine_tf.inference.outputs import output_paths
from spine_tf.inference.volume import segment_volume
from spine_tf.scans import write_mask
from spine_tf.scans.labels import spine_mask
from spine_tf.scoring import baseline_masks, mean_rows, save_curves, score_case, write_scores
from spine_tf.support.environment import describe_environment
from spine_tf.support.errors import RunError
from spine_tf.support.files import remove_parts, write_json
from spine_tf.support.progress import progress_bar
from spine_tf.training.run_folder import CURVES, EVALUATION_REPORT, RunFolder
from spine_tf.viewer.overlay import save_errors, save_overlay

HELD_OUT, SEEN = "held out", "seen in training"
CURVE_VOXELS = 200_000


def evaluate_run(
    folder: Path,
    output: Path | None = None,
    also_seen: Iterable[str] = (),
    clean_up: bool = True,
    flips: bool = False,
) -> list[dict]:
    """Score a run on its test cases, which nothing before this has read.

    Args:
        folder: a run's folder.
        output: gets scores.json, scores.csv, curves.png, evaluation.json (settings, versions, hardware), and of each
            case the mask and two pictures: prediction and truth, and where the prediction errs. None: the run's own
            folder evaluation/.
        also_seen: case ids of training cases to show beside them, marked as seen in training.
        clean_up: drop small components of the network's masks.
        flips: average with the mirror image's (`inference.volume.segment_volume`).

    Returns:
        the rows: network and both baselines for each case, then their means by method and role.

    Raises:
        RunError: no split, or no test cases.
        ModelError: the run's network cannot be loaded.
        ValueError: an unknown case id.
    """
    run = RunFolder(folder)
    output = run.evaluation if output is None else Path(output)
    split, engine = read_split(run.split), load_engine(folder)
    seen = {case.case_id: case for case in split.train}
    unknown = sorted(set(also_seen) - set(seen))
    if unknown:
        raise ValueError(f"also_seen must name training cases. Received: {unknown}, the run has {sorted(seen)}")
    scored = [(case, HELD_OUT) for case in split.test] + [(seen[name], SEEN) for name in also_seen]
    if not split.test:
        raise RunError(f"the run must have test cases. Received: none in {run.split}")
    remove_parts(output)
    rows, truths, probabilities = [], [], []
    for case, role in progress_bar(scored, desc="evaluating", unit="case"):
        case_rows, truth, probability = _score(case, role, engine, output, clean_up, flips)
        rows += case_rows
        if role == HELD_OUT:
            truths.append(truth)
            probabilities.append(probability)
    save_curves(output / CURVES, np.concatenate(truths), np.concatenate(probabilities))
    rows += mean_rows(rows)
    write_scores(output, rows)
    settings = {
        "clean_up": clean_up,
        "flips": flips,
        "threshold": engine.spec.threshold,
        "environment": describe_environment(),
    }
    write_json(output / EVALUATION_REPORT, settings)
    return rows


def _score(case: Case, role: str, engine, output: Path, clean_up: bool, flips: bool):
    """Rows of one case, and a seeded sample of its voxels for the curves: truth and probability, both 1-D."""
    volume, labels = load_case(case)
    truth = spine_mask(labels)
    result = segment_volume(volume, engine, clean_up=clean_up, flips=flips)
    methods = {"network": result.mask, **baseline_masks(volume.array, volume.spacing_mm, truth)}
    facts = {"case": case.case_id, "source": case.source, "role": role}
    rows = [
        facts | {"method": method, **score_case(truth, mask, volume.spacing_mm)} for method, mask in methods.items()
    ]
    output.mkdir(parents=True, exist_ok=True)
    paths = output_paths(output, case.case_id)
    write_mask(paths["mask"], result.mask, volume)
    save_overlay(paths["picture"], volume, {"spine": result.mask}, truth=truth)
    save_errors(output / f"{case.case_id}_seg-spine_errors.png", volume, result.mask, truth)
    # As many of each case: the curves are those of a mean case, not of the largest one.
    sample = np.random.default_rng(0).choice(truth.size, min(truth.size, CURVE_VOXELS), replace=False, shuffle=False)
    return rows, truth.reshape(-1)[sample], result.probability.reshape(-1)[sample]
