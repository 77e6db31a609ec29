from pathlib import Path

import pytest

from spine_tf.experiments.amounts import (
    COSTS,
    amounts_table,
    amounts_text,
    prune_cell,
    pruning_cell_settings,
    pruning_cells,
)
from spine_tf.experiments.settings import base_config
from spine_tf.support.environment import describe_environment
from spine_tf.support.files import write_json
from spine_tf.training.prune_settings import write_settings
from tests.support.markdown import squeezed

BASE = base_config("small", Path("runs"), None)


def write_verdict(folder: Path, name: str, seed: int, ratio: float, after: float) -> Path:
    """A finished pruned run; a control was never pruned, so that it has no Dice in between."""
    run = folder / "pruning" / name / f"seed{seed}"
    dice = {"before": {"a": 0.8, "b": 0.6}, "pruned": {"a": 0.1, "b": 0.3}, "after": {"a": after, "b": after}}
    if name == "control":
        del dice["pruned"]
    costs = {cost: {"before": 1, "after": ratio, "ratio": ratio} for cost in COSTS}
    write_json(run / "report.json", {"verdict": {"costs": costs, "dice": dice, "environment": describe_environment()}})
    write_settings(run, pruning_cell_settings(name, BASE, folder, seed))
    return run


def test_the_control_comes_first_and_is_not_pruned():
    assert next(iter(pruning_cells().items())) == ("control", None)
    assert pruning_cell_settings("control", BASE, Path("runs"), 0).control
    half = pruning_cell_settings("amount-0.5", BASE, Path("runs"), 2)
    assert (half.amount, half.seed, half.control) == (0.5, 2, False)
    assert half.source == Path("runs/ablation/proposed/seed2")
    # Two fifths of 10 epochs.
    assert half.epochs == 4


def test_amounts_are_rows_with_costs_as_ratios_and_dice_before_and_after(tmp_path):
    for seed, after in enumerate((0.75, 0.77)):
        write_verdict(tmp_path, "control", seed, 1.0, after)
    for seed, after in enumerate((0.5, 0.7)):
        write_verdict(tmp_path, "amount-0.5", seed, 0.3, after)
    text = squeezed(amounts_text(amounts_table(BASE, tmp_path, (0, 1))))
    assert "| none (control) | 1.00 | 1.00 | 1.00 | 1.00 | 1.00 | 70.0 ± 0.0 | - | 76.0 ± 1.4 | - |" in text
    # 50 - 75 and 70 - 77.
    assert "| 50 % | 0.30 | 0.30 | 0.30 | 0.30 | 0.30 | 70.0 ± 0.0 | 20.0 ± 0.0 | 60.0 ± 14.1 | -16.0 ± 12.7 |" in text
    assert "| 75 % | not run |" in text


def test_what_is_done_is_not_done_again_and_other_settings_are_refused(tmp_path):
    run = write_verdict(tmp_path, "amount-0.5", 0, 0.3, 0.5)
    before = (run / "report.json").stat().st_mtime_ns
    assert not prune_cell("amount-0.5", BASE, tmp_path, 0, tmp_path)
    assert (run / "report.json").stat().st_mtime_ns == before
    write_settings(run, pruning_cell_settings("amount-0.25", BASE, tmp_path, 0))
    with pytest.raises(ValueError, match="runs must hold runs of the settings asked for"):
        prune_cell("amount-0.5", BASE, tmp_path, 0, tmp_path)
