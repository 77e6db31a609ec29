import shutil

import pytest

from spine_tf.config import Config, to_dict, with_changes
from spine_tf.data.splits import Split, write_split
from spine_tf.experiments.ablation import CHOSEN_ON, VARIANTS, ablate, variants_table
from spine_tf.training.recipe import shipped_config
from tests.support.markdown import cells
from tests.support.scans import bright_block_case


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_is_a_config_that_differs_from_the_recipe_in_what_it_says(name):
    base = shipped_config(CHOSEN_ON, 11, None)
    made = with_changes(base, **VARIANTS[name][1])
    assert isinstance(made, Config)
    assert (to_dict(made) == to_dict(base)) == (name == "recipe")


def test_the_table_has_a_line_for_each_variant_and_says_what_was_not_run():
    rows = [
        {"variant": "recipe", "case": CHOSEN_ON[0], "dice": 0.8, "hd95_mm": 5.0},
        {"variant": "recipe", "case": CHOSEN_ON[1], "dice": 0.7, "hd95_mm": 6.25},
        {"variant": "resized", "case": CHOSEN_ON[1], "dice": 0.5, "hd95_mm": float("inf")},
    ]
    _, _, first, second = map(cells, variants_table(rows).splitlines())
    assert first == ["as shipped", "0.800", "5.0", "0.700", "6.2"]
    assert second[1:] == ["not run", "", "0.500", "inf"]


def test_a_trained_variant_is_scored_and_an_unknown_one_refused(threshold_run, tmp_path):
    run = tmp_path / "ablation" / "recipe"
    shutil.copytree(threshold_run, run)
    cases = [bright_block_case(tmp_path, name) for name in (CHOSEN_ON[0], "other")]
    write_split(run / "split.json", Split([], [], cases))
    (run / "report.json").write_text("{}")
    (row,) = ablate(tmp_path / "ablation", tmp_path, None, ("recipe",))
    assert (row["variant"], row["case"]) == ("recipe", CHOSEN_ON[0])
    assert "as shipped" in (tmp_path / "ablation" / "scores.md").read_text()
    with pytest.raises(ValueError, match=r"names must be among .* Received: \['bigger'\]"):
        ablate(tmp_path / "ablation", tmp_path, None, ("bigger",))
