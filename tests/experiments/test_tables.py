from pathlib import Path

import pytest

from spine_tf.experiments.cells import cell_config
from spine_tf.experiments.comparison import comparison_table, comparison_text
from spine_tf.experiments.settings import base_config
from spine_tf.experiments.tables import TITLES, grid_table, mean_sd, number, table_text
from tests.support.finished_runs import RISING, write_run
from tests.support.markdown import cells, squeezed

BASE = base_config("small", Path("runs"), None)
SEEDS = (0, 1, 2)


def finish(folder: Path, table: str, name: str, place: str, scores: tuple[float, ...], **more) -> None:
    for seed, score in enumerate(scores):
        write_run(folder / place / f"seed{seed}", cell_config(table, name, BASE, seed), {"crop": score}, **more)


def row(text: str, label: str) -> list[str]:
    found = [cells(line) for line in text.splitlines() if line.count("|") > 6]
    (row,) = [row for row in found if row[0] == label]
    return row[1:]


def test_a_table_has_ours_beside_the_papers_and_says_what_was_not_run(tmp_path):
    finish(tmp_path, "3", "linknet", "table3/linknet", (0.5, 0.6, 0.7), val_dice=RISING)
    finish(tmp_path, "3", "fpn", "table3/fpn", (0.4,), val_dice=RISING)
    text = table_text(grid_table("3", BASE, tmp_path, SEEDS))
    ours = ["0.5000 ± 0.0000", "90", "60.0 ± 10.0", "94", "60.0 ± 10.0", "3", "4.5"]
    assert row(text, "LinkNet-34") == ["0.004", *ours]
    assert row(text, "FPN") == ["0.007", "0.5000", "not given", "40.0", "92", "40.0", "1", "1.5"]
    assert row(text, "PSPNet") == ["0.006", "not run", "90", "not run", "92.5", "not run", "", ""]
    assert "Seeds not run: FPN: 1, 2." in text
    assert "held out: a real CT" in text
    assert "trained on 12 × phantom (random)" in text
    assert "| HU threshold (no network) | 50.0 | |" in squeezed(text)


@pytest.mark.parametrize(("dice", "said"), [(0.4, True), (0.6, False)])
def test_it_is_said_where_no_network_does_better_than_a_threshold(tmp_path, dice, said):
    # The threshold has 0.5 on the only source.
    finish(tmp_path, "3", "unet", "table3/unet", (0.3,), val_dice=RISING)
    finish(tmp_path, "3", "fpn", "table3/fpn", (dice,), val_dice=RISING)
    text = table_text(grid_table("3", BASE, tmp_path, SEEDS))
    assert ("No network does better here than a threshold" in text) == said


def test_a_shared_run_stands_in_every_table_that_has_it(tmp_path):
    finish(tmp_path, "3", "linknet", "table3/linknet", (0.5,), val_dice=RISING)
    for table, label in (("4", "ResNet34"), ("6", "pre-processing and augmentation")):
        assert row(table_text(grid_table(table, BASE, tmp_path, SEEDS)), label)[-3:] == ["50.0", "1", "1.5"]


def test_table_5_says_where_the_curves_end_to_rise(tmp_path):
    flat = (0.1, 0.3, *[0.7] * 8)
    finish(tmp_path, "5", "adam", "table5/adam", (0.5, 0.6), val_dice=flat)
    finish(tmp_path, "5", "rmsprop", "table5/rmsprop", (0.5,), val_dice=RISING)
    text = table_text(grid_table("5", BASE, tmp_path, SEEDS))
    assert row(text, "Adam")[-4:-2] == ["not given", "3, 3"]
    assert row(text, "RMSProp")[-4:-2] == ["7", "-"]


def test_a_run_of_other_settings_is_not_taken_for_this_one(tmp_path):
    write_run(tmp_path / "table3/fpn/seed0", cell_config("3", "unet", BASE, 0), {"crop": 0.5}, RISING)
    with pytest.raises(ValueError, match=r"runs must hold runs of the settings asked for.*model\.architecture"):
        grid_table("3", BASE, tmp_path, (0,))


@pytest.mark.parametrize("table", TITLES)
def test_an_empty_table_says_so_in_every_row(table, tmp_path):
    made = grid_table(table, BASE, tmp_path, SEEDS)
    text = table_text(made)
    assert not made["run"]
    assert "Nothing was run yet." in text
    rows = [line for line in text.splitlines() if line.startswith("| ") and "ours" not in line]
    assert len(rows) == len(made["rows"])
    assert all("not run" in line or "not built" in line for line in rows)
    assert ("paper" in text.splitlines()[2]) == (table != "ablation")


def test_what_is_not_built_is_not_called_not_run(tmp_path):
    text = table_text(grid_table("ablation", BASE, tmp_path, SEEDS))
    assert row(text, "1 view, an attended branch of its own")[:3] == ["not built"] * 3


def test_numbers_are_percent_or_losses():
    assert number(0.1234, "dice") == "12.3"
    assert number(0.1234, "val_loss") == "0.1234"
    assert mean_sd({"mean": 0.5, "sd": 0.02, "n": 3}, "jaccard") == "50.0 ± 2.0"
    assert mean_sd(None, "dice") == "-"


def test_table_7_marks_ours_with_its_data(tmp_path):
    text = squeezed(comparison_text(comparison_table(BASE, tmp_path, SEEDS)))
    assert "| Attention LinkNet (ours) | | not run |" in text
    finish(tmp_path, "7", "proposed", "ablation/proposed", (0.5, 0.7), val_dice=RISING)
    text = squeezed(comparison_text(comparison_table(BASE, tmp_path, SEEDS)))
    assert "| Attention LinkNet (ours) | **held out: a real CT** | 60.0 ± 14.1 | Dice of volumes | |" in text
