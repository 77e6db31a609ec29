"""Score a run on its held-out cases (--run), or a folder of predicted masks against true ones (--pred, --masks)."""

from dataclasses import dataclass
from pathlib import Path

from spine_tf.cli.common import DONE, CommonFlags


@dataclass(frozen=True)
class Flags(CommonFlags):
    run: Path | None = None
    """A run's folder: its network is scored on the cases that the run has kept for the test."""
    also_seen: tuple[str, ...] = ()
    """With --run: ids of training cases to show beside them, marked as seen in training."""
    clean_up: bool = True
    """With --run: drop small components of the network's masks."""
    flips: bool = False
    """With --run: also segment the mirror image and average."""
    pred: Path | None = None
    """Predicted masks, <case>_seg-spine_msk.nii.gz."""
    masks: Path | None = None
    """With --pred: true masks, <case>_seg-vert_msk.nii.gz or <case>_seg.nii.gz; each must have its prediction."""
    images: Path | None = None
    """With --pred: the CTs, for the HU threshold's rows; None: beside the masks, and in VerSe's rawdata."""
    output: Path | None = None
    """Folder for scores.json and scores.csv; None: <run>/evaluation, or the folder of the predictions."""


def run(flags: Flags) -> int:
    if (flags.run is None) == (flags.pred is None) or (flags.pred is None) != (flags.masks is None):
        raise ValueError("either --run, or --pred and --masks are needed")
    from spine_tf.scoring import format_table, score_folder

    if flags.run is None:
        output = flags.output or flags.pred
        rows = score_folder(flags.pred, flags.masks, output, flags.images)
    else:
        # Imported only now: a folder of masks is scored without waiting for TensorFlow.
        from spine_tf.training.evaluate import evaluate_run

        output = flags.output or flags.run / "evaluation"
        rows = evaluate_run(flags.run, output, flags.also_seen, flags.clean_up, flags.flips)
    print(format_table(rows))
    if any(row["dice"] != row["dice"] for row in rows):
        print("-: no CT was found beside the masks; --images gives the HU threshold its scores")
    print(f"\nscores {output / 'scores.json'}, {output / 'scores.csv'}")
    return DONE
