"""Scores masks: overlap, distance of surfaces, curves, and the baselines to beat. Needs no TensorFlow."""

from spine_tf.scoring.baselines import baseline_masks
from spine_tf.scoring.curves import save_curves
from spine_tf.scoring.folders import score_folder
from spine_tf.scoring.overlap import dice, jaccard
from spine_tf.scoring.table import format_table, markdown_table, mean_rows, score_case, write_scores

__all__ = [
    "baseline_masks",
    "dice",
    "format_table",
    "jaccard",
    "markdown_table",
    "mean_rows",
    "save_curves",
    "score_case",
    "score_folder",
    "write_scores",
]
