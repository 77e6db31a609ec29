"""Trains the shipped model's recipe with each real patient left out, and scores the one that it never saw."""

from collections.abc import Sequence
from pathlib import Path

from spine_tf.experiments.running import write_facts
from spine_tf.scoring import markdown_table, write_scores
from spine_tf.scoring.table import SCORES_MD
from spine_tf.support.files import write_text
from spine_tf.training.evaluate import HELD_OUT, evaluate_run
from spine_tf.training.recipe import FOLD_EPOCHS, FOLDS, shipped_config
from spine_tf.training.run import ensure_trained


def score_left_out(
    folder: Path, data_root: Path, more: Path | None, folds: Sequence[str] = FOLDS, epochs: int = FOLD_EPOCHS
) -> list[dict]:
    """Train with each patient left out and score the one left out; what is done is not done again.

    Args:
        folder: gets a run's folder for each fold, and scores.json, scores.csv, scores.md, facts.json.
        data_root: where sample CTs and synthetic scans are kept.
        more: as in `shipped_config`.
        folds: case ids.

    Returns:
        the rows of the held-out scans: network and baselines.

    Raises:
        ValueError: as `train_run`.
    """
    rows = []
    for name in folds:
        run = Path(folder) / name
        ensure_trained(shipped_config((name,), epochs, more), run, data_root)
        rows += [row for row in evaluate_run(run) if row["role"] == HELD_OUT and row["case"] == name]
    write_scores(folder, rows)
    write_text(Path(folder) / SCORES_MD, markdown_table(rows) + "\n")
    write_facts(folder, epochs=epochs, folds=list(folds))
    return rows
