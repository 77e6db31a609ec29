"""Folders as a finished run of an experiment leaves them, with scores that a reader can work out."""

from pathlib import Path

from spine_tf.config import Config, to_dict, with_changes
from spine_tf.scoring import mean_rows
from spine_tf.scoring.table import SCORES
from spine_tf.support.environment import describe_environment
from spine_tf.support.files import write_json, write_text
from spine_tf.training.evaluate import HELD_OUT
from spine_tf.training.run_folder import EVALUATION_REPORT, RunFolder

RISING = tuple(n / 20 for n in range(1, 11))
"""Dice of the validation slices by epoch: as many as preset `small` has, still rising in the last."""


def write_run(folder: Path, config: Config, dice: dict[str, float], val_dice: tuple[float, ...] = (0.2, 0.5)) -> Path:
    """A run of as many epochs as `val_dice` has, the last one its best.

    Args:
        dice: held-out case -> Dice of the network; a case whose name starts with "phantom" is a phantom.
        val_dice: Dice of the validation slices by epoch; losses are 1 less it, and half of that in training.
    """
    config = with_changes(config, train={"epochs": len(val_dice)})
    run = RunFolder(folder)
    write_json(run.config, to_dict(config))
    write_json(run.metadata, {"sources": {"train": {"phantom (random)": 12}, "val": {"phantom (random)": 4}}})
    lines = [f"{n},{(1 - d) / 2},{1 - d},{d},{d / (2 - d)}" for n, d in enumerate(val_dice, start=1)]
    write_text(run.history, "\n".join(["epoch,loss,val_loss,val_dice,val_jaccard", *lines]) + "\n")
    rows = []
    for case, score in dice.items():
        source = "phantom (scoliosis_metal)" if case.startswith("phantom") else "a real CT"
        facts = {"case": case, "source": source, "role": HELD_OUT}
        for method, value in (("network", score), ("HU threshold", 0.5)):
            rows.append(facts | {"method": method, **dict.fromkeys(SCORES, value)})
    write_json(run.scores, rows + mean_rows(rows))
    training = {"best_epoch": len(val_dice), "epochs": len(val_dice)}
    report = {
        "config": to_dict(config),
        "training": training,
        "total_seconds": 90.0,
        "environment": describe_environment(),
    }
    write_json(run.report, report)
    write_json(run.evaluation / EVALUATION_REPORT, {})
    return folder
